internal import Glibc
internal import RingwayEngine
internal import Synchronization

/// Assigns published ports to their guests while these are attached. The caller holds the lock `changes`; methods
/// that are called on the loop's thread acquire it themselves.
extension VirtualNetwork {
    /// Assigns every forward to its guest, or stops it from listening, after guests were attached or detached.
    func placeForwards() {
        let (records, members, isStopped) = state.withLock { state in
            (state.forwards.values.sorted { $0.port.id < $1.port.id }, state.members, state.isStopped)
        }
        // The ports of a network that is stopping are closed in one step, by `closePorts`.
        guard !isStopped else { return }
        var stray = records.filter { record in
            member(for: record.port.forward.guest, among: members)?.guest.id != record.port.guest
        }
        guard !stray.isEmpty else { return }
        // The former guest of a forward may still be attached. Its shards must stop using the forward's sockets.
        unlisten(stray, members)
        for index in stray.indices { stray[index].port.guest = nil }
        keep(placeEach(stray))
    }

    /// Moves UDP ports to the shards of the guest's current addresses. Called on the loop's thread.
    func followAddresses(of guest: Guest.ID) {
        changes.withLock { _ in
            let (records, members) = state.withLock { state in
                (state.forwards.values.filter { $0.port.guest == guest }, state.members)
            }
            guard let engine = members[guest]?.engine else { return }
            var stray = records.filter { !$0.leads(where: $0.orders(on: configuration.publishOn, engine)) }
            guard !stray.isEmpty else { return }
            unlisten(stray, members)
            for index in stray.indices { stray[index].port.guest = nil }
            keep(placeEach(stray))
        }
    }

    /// Closes all ports except inherited sockets, which `InheritedPorts` closes. No guest is attached any more.
    func closePorts() {
        let records = state.withLock { state in
            defer { for number in state.forwards.keys { state.forwards[number]?.forgetSockets() } }
            return state.forwards.values.filter { !$0.isInherited }
        }
        PortSockets.close(records.flatMap(\.sockets))
    }

    /// Takes the sockets of forwards back from the guests that use them.
    func unlisten(_ records: [ForwardRecord], _ members: [Guest.ID: Member]) {
        var led: [Guest.ID: Set<PublishedPort.ID>] = [:]
        for record in records {
            if let guest = record.port.guest { led[guest, default: []].insert(record.port.id) }
        }
        for (guest, numbers) in led { members[guest]?.engine.unlisten(forwards: numbers) }
    }

    func member(for selector: GuestSelector, among members: [Guest.ID: Member]) -> Member? {
        if selector == .first { return members.min { $0.key < $1.key }?.value }
        return members.values.first { selector.names($0.guest, trustsClaims: configuration.trustsAgentNames) }
    }

    // MARK: Sockets

    /// Assigns forwards to their guests; a forward without a guest stops listening. On failure, no assignment is
    /// changed.
    func place(_ records: inout [ForwardRecord]) throws(HostListenFailure) {
        let members = state.withLock { $0.members }
        // Each selector is looked up once, because usually many forwards have the same one.
        var choices: [GuestSelector: Member] = [:]
        for selector in Set(records.map(\.port.forward.guest)) {
            choices[selector] = member(for: selector, among: members)
        }
        let orders = records.map { $0.orders(on: configuration.publishOn, choices[$0.port.forward.guest]?.engine) }
        try open(&records, orders)
        var lent: [Guest.ID: (orders: [ListenOrder], sockets: [Int32])] = [:]
        for index in records.indices {
            let inherited = records[index].isInherited ? records[index].sockets.first : nil
            guard let member = choices[records[index].port.forward.guest] else {
                records[index].rest(orders[index])
                if let inherited { resetClients(of: inherited) }
                continue
            }
            if let inherited { leaveClients(of: inherited) }
            records[index].lead(to: member.guest.id, orders[index])
            lent[member.guest.id, default: ([], [])].orders += orders[index]
            lent[member.guest.id, default: ([], [])].sockets += records[index].sockets
        }
        for (guest, lent) in lent { members[guest]?.engine.listen(lent.orders, on: lent.sockets) }
    }

    /// Opens the missing sockets, and makes bound sockets listen if their forward has a guest now.
    private func open(_ records: inout [ForwardRecord], _ orders: [[ListenOrder]]) throws(HostListenFailure) {
        var missing: [Int] = []
        for index in records.indices where records[index].sockets.isEmpty {
            let forward = records[index].port.forward
            if let socket = state.withLock({ $0.inheritedPorts.take(for: forward) }) {
                records[index].adopt(inherited: socket)
            } else {
                missing.append(index)
            }
        }
        let opened = try PortSockets.open(missing.flatMap { orders[$0] })
        var rest = opened[...]
        for index in missing {
            let count = PortSockets.count(orders[index])
            records[index].adopt(Array(rest.prefix(count)), orders[index])
            rest = rest.dropFirst(count)
        }
        do throws(HostListenFailure) {
            for index in records.indices where !records[index].isListening && orders[index].first?.isResting == false {
                try records[index].wake(orders[index])
            }
        } catch {
            for index in missing { records[index].close() }
            throw error
        }
    }

    /// Assigns forwards to their guests, each independently of the others, and reports failures. After a failure it
    /// schedules a retry, unless `isRetry` is set: the caller then schedules the next retry.
    func placeEach(_ records: [ForwardRecord], isRetry: Bool = false) -> [ForwardRecord] {
        var placed = records
        do throws(HostListenFailure) {
            try place(&placed)
            for index in placed.indices { settle(&placed[index]) }
            return placed
        } catch {}
        var hasFailed = false
        for index in placed.indices {
            var single = [placed[index]]
            do throws(HostListenFailure) {
                try place(&single)
                settle(&single[0])
            } catch {
                let reason = failure(error, single).description
                if single[0].port.problem != reason { report(.forwardFailed(single[0].port, reason: reason)) }
                single[0].port.problem = reason
                hasFailed = true
            }
            placed[index] = single[0]
        }
        if hasFailed, !isRetry { tryAgainLater() }
        return placed
    }

    private func settle(_ record: inout ForwardRecord) {
        guard record.port.problem != nil else { return }
        record.port.problem = nil
        report(.forwardRecovered(record.port))
    }

    // MARK: Retrying

    func tryAgainLater() {
        guard let delay = state.withLock({ $0.forwardRetry.failed() }) else { return }
        loop.post { [weak self] in self?.tryAgain(in: delay) }
    }

    private func tryAgain(in delay: UInt64) {
        loop.after(milliseconds: delay) { [weak self] in self?.tryAgain() }
    }

    /// Retries failed forwards. Called on the loop's thread.
    private func tryAgain() {
        let next = changes.withLock { _ in
            let failed = state.withLock { state in
                state.isStopped ? [] : state.forwards.values.filter { $0.port.problem != nil }
            }
            let settled = failed.isEmpty ? [] : placeEach(failed, isRetry: true)
            keep(settled)
            let isSettled = settled.allSatisfy { $0.port.problem == nil }
            return state.withLock { $0.forwardRetry.attempted(isSettled: isSettled) }
        }
        if let next { tryAgain(in: next) }
    }
}

extension HostListenFailure {
    var isInUse: Bool { errno == EADDRINUSE }
}
