internal import RingwayEngine
internal import RingwayStack
internal import RingwayWire
internal import Synchronization

/// Published ports live as long as somebody wants them: while their guest is away TCP ports stay taken and refuse, and
/// as soon as it is there they lead to it. A moved forward never takes connections with it that exist.
extension VirtualNetwork {
    /// Everything that is published, in the order in which it was.
    public var publishedPorts: [PublishedPort] {
        state.withLock { $0.forwards.values.map(\.port).sorted { $0.id < $1.id } }
    }

    /// One of them; `nil` when nothing is published under the number.
    public func publishedPort(_ number: PublishedPort.ID) -> PublishedPort? {
        state.withLock { $0.forwards[number]?.port }
    }

    /// Publishes ports of the host as ports of a guest, at once or as soon as it comes. All of a range or none of it.
    ///
    /// - Parameters:
    ///   - forward: host port 0 stands for ports that are free, and a range of the host for one guest port for one of
    ///     it that is free; the answer names them.
    ///   - owner: who wants it; `setPublished` of another owner leaves it alone.
    @discardableResult
    public func publish(_ forward: PortForward, owner: String = "") throws(Failure) -> PublishedPort {
        try check(forward)
        return try changes.withLock { (_) throws(Failure) in
            let added = try add(forward, owner)
            report(.forwardAdded(added))
            return added
        }
    }

    /// Ends what was published. Its ports are free when this returns; connections that came through it live on.
    public func unpublish(_ number: PublishedPort.ID) throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            guard let port = publishedPort(number) else {
                throw Failure("nothing is published under the number \(number)", .notFound)
            }
            remove([port])
            report(.forwardRemoved(port))
        }
    }

    /// Ends what was published.
    public func unpublish(_ port: PublishedPort) throws(Failure) { try unpublish(port.id) }

    /// Publishes these ports, and of the same owner no others: what is published already stays as it is, connections and
    /// all. When something cannot be had everything is as it was before.
    @discardableResult
    public func setPublished(_ wanted: [PortForward], owner: String = "") throws(Failure) -> ForwardChanges {
        for forward in wanted {
            try check(forward)
        }
        // What asks for the same port twice is meant once; what has a port chosen is as many ports.
        var seen = Set<PortForward>()
        let wanted = wanted.filter { $0.choosesHostPorts || seen.insert($0).inserted }
        if let (first, second) = PortForward.conflict(in: wanted) {
            throw Failure("\(first) and \(second) want the same port of the host", .invalid)
        }
        return try changes.withLock { (_) throws(Failure) in
            var missing: [PortForward: Int] = [:]
            for forward in wanted { missing[forward, default: 0] += 1 }
            var result = ForwardChanges()
            for port in publishedPorts where port.owner == owner {
                // Who asks for the very port that was chosen for another request means that one.
                let match = [port.requested, port.forward].first { missing[$0, default: 0] > 0 }
                if port.problem == nil, let match {
                    missing[match, default: 0] -= 1
                    result.kept.append(port)
                } else {
                    result.removed.append(port)
                }
            }
            // Removed first, because what is added may want the same ports.
            remove(result.removed)
            do throws(Failure) {
                result.added = try add(wanted, missing, owner)
            } catch {
                restore(result.removed)
                throw error
            }
            report(result.removed.map { .forwardRemoved($0) } + result.added.map { .forwardAdded($0) })
            return result
        }
    }

    private func check(_ forward: PortForward) throws(Failure) {
        guard forward.choosesHostPorts || forward.hostPorts.count == forward.guestPorts.count else {
            throw Failure(
                "\(forward): the host's range has \(forward.hostPorts.count) ports and the guest's "
                    + "\(forward.guestPorts.count)", .invalid)
        }
        guard forward.guestPorts.lowerBound > 0 else { throw Failure("\(forward): no guest has a port 0", .invalid) }
        guard forward.hostPorts.lowerBound > 0 || forward.hostPorts.count == 1 else {
            throw Failure("\(forward): a range of the host's ports cannot begin with 0", .invalid)
        }
        guard !configuration.publishOn.places(for: forward.hostAddress).isEmpty else {
            throw Failure("\(forward): \(configuration.publishOn.reason)", .notPermitted)
        }
    }

    // MARK: The register; the caller holds `changes`

    /// Takes up a new forward, and chooses its ports where they are to be chosen.
    private func add(_ forward: PortForward, _ owner: String) throws(Failure) -> PublishedPort {
        guard forward.choosesHostPorts else { return try add([forward], owner)[0] }
        var candidates = PortCandidates(forward)
        while true {
            guard let chosen = try candidates.next() else {
                throw Failure("cannot publish \(forward): \(candidates.reason)", .portInUse)
            }
            do throws(Failure) {
                return try add([chosen], requested: [forward], owner)[0]
            } catch {
                guard error.kind == .portInUse else { throw error }
            }
        }
    }

    /// Takes up so many of these forwards, all of them or none.
    private func add(
        _ wanted: [PortForward], _ missing: [PortForward: Int], _ owner: String
    ) throws(Failure) -> [PublishedPort] {
        var missing = missing
        let new = wanted.filter { forward in
            guard let count = missing[forward], count > 0 else { return false }
            missing[forward] = count - 1
            return true
        }
        var added = try add(new.filter { !$0.choosesHostPorts }, owner)
        do throws(Failure) {
            for forward in new where forward.choosesHostPorts { added.append(try add(forward, owner)) }
        } catch {
            remove(added)
            throw error
        }
        return added
    }

    /// Takes up new forwards, all of them or none.
    ///
    /// - Parameter requested: what was asked for, where ports have been chosen.
    private func add(
        _ forwards: [PortForward], requested: [PortForward]? = nil, _ owner: String
    ) throws(Failure) -> [PublishedPort] {
        var records = state.withLock { state in
            zip(forwards, requested ?? forwards).map { forward, requested in
                let number = state.freshForwardNumber()
                return ForwardRecord(
                    port: PublishedPort(id: number, forward: forward, requested: requested, owner: owner))
            }
        }
        try place(&records)
        keep(records)
        return records.map(\.port)
    }

    private func remove(_ ports: [PublishedPort]) {
        let (records, members) = state.withLock { state in
            let records = ports.compactMap { state.forwards.removeValue(forKey: $0.id) }
            // A table does not shrink, and this one may have been large.
            if state.forwards.isEmpty { state.forwards = [:] }
            return (records, state.members)
        }
        for var record in records { record.closeReservations() }
        unlisten(records, members)
    }

    private func unlisten(_ records: [ForwardRecord], _ members: [Guest.ID: Member]) {
        var led: [Guest.ID: Set<PublishedPort.ID>] = [:]
        for record in records {
            if let guest = record.port.guest { led[guest, default: []].insert(record.port.id) }
        }
        for (guest, numbers) in led { members[guest]?.engine.unlisten(forwards: numbers) }
    }

    /// Publishes again what was there a moment ago.
    private func restore(_ ports: [PublishedPort]) {
        let records = ports.map { port in
            var record = ForwardRecord(port: port)
            record.port.guest = nil
            return record
        }
        keep(placeEach(records))
    }

    private func keep(_ records: [ForwardRecord]) {
        state.withLock { state in
            for record in records { state.forwards[record.port.id] = record }
        }
    }

    /// Has every forward lead to its guest, or to nobody, after guests have come or gone.
    ///
    /// - Parameter moved: a guest that has another address than before.
    func placeForwards(moved: Guest.ID? = nil) {
        let (records, members) = state.withLock { ($0.forwards.values.sorted { $0.port.id < $1.port.id }, $0.members) }
        var stray = records.filter { record in
            record.port.guest.map { $0 == moved } ?? false
                || Self.member(for: record.port.forward.guest, among: members)?.guest.id != record.port.guest
        }
        guard !stray.isEmpty else { return }
        // Its former guest may still be there: what leads elsewhere now must not stay open at it.
        unlisten(stray, members)
        for index in stray.indices {
            stray[index].port.guest = nil
            stray[index].closeReservations()
        }
        keep(placeEach(stray))
    }

    /// Gives up the ports that are kept for guests that are away.
    func closeReservations() {
        state.withLock { state in
            for number in state.forwards.keys { state.forwards[number]?.closeReservations() }
        }
    }

    private static func member(for selector: GuestSelector, among members: [Guest.ID: Member]) -> Member? {
        if selector == .first { return members.min { $0.key < $1.key }?.value }
        return members.values.first { selector.names($0.guest) }
    }

    // MARK: Sockets

    /// The same for forwards that do not depend on each other: what cannot be had says so.
    private func placeEach(_ records: [ForwardRecord]) -> [ForwardRecord] {
        var placed = records
        for index in placed.indices { placed[index].port.problem = nil }
        if (try? place(&placed)) != nil { return placed }
        return records.map { record in
            var single = [record]
            single[0].port.problem = nil
            do throws(Failure) {
                try place(&single)
            } catch {
                single[0].port.problem = error.description
                report(.forwardFailed(single[0].port, reason: error.description))
            }
            return single[0]
        }
    }

    /// Has forwards lead to their guests, where they are there; all of them or none.
    private func place(_ records: inout [ForwardRecord]) throws(Failure) {
        let members = state.withLock { $0.members }
        // As a rule there are many forwards and few guests.
        var choices: [GuestSelector: Member] = [:]
        for selector in Set(records.map(\.port.forward.guest)) {
            choices[selector] = Self.member(for: selector, among: members)
        }
        var orders: [Guest.ID: [ListenOrder]] = [:]
        var opened: [Guest.ID] = []
        var failed: HostListenFailure?
        for index in records.indices {
            let member = choices[records[index].port.forward.guest]
            let own = self.orders(for: records[index].port, member?.guest)
            if let member {
                orders[member.guest.id, default: []] += own
                records[index].port.guest = member.guest.id
                continue
            }
            do throws(HostListenFailure) {
                for order in own { records[index].reservations += try Engine.reserve(order) }
            } catch {
                failed = error
                break
            }
        }
        for (guest, orders) in orders where failed == nil {
            do throws(HostListenFailure) {
                try members[guest]?.engine.listen(orders)
                opened.append(guest)
            } catch {
                failed = error
            }
        }
        guard let failed else { return }
        let failing = records.first { $0.port.id == failed.forward } ?? records[0]
        for index in records.indices {
            records[index].closeReservations()
            records[index].port.guest = nil
        }
        let numbers = Set(records.map(\.port.id))
        for guest in opened { members[guest]?.engine.unlisten(forwards: numbers) }
        throw PortHolder.failure(failed, failing.port.forward)
    }

    /// The sockets that a forward takes: TCP has one for both families, and a UDP mapping belongs to the shard of the
    /// guest's address, so each family has a socket of its own.
    private func orders(for port: PublishedPort, _ guest: Guest?) -> [ListenOrder] {
        let forward = port.forward
        let places = configuration.publishOn.places(for: forward.hostAddress)
        func order(_ address: IPAddress?, ipv4: Bool) -> ListenOrder {
            let target = ipv4 ? guest.map { IPAddress($0.ipv4) } : guest.map { IPAddress($0.ipv6) }
            return ListenOrder(
                address: address, ports: forward.hostPorts,
                guest: TransportAddress(
                    address: target ?? IPAddress(high: 0, low: 0), port: forward.guestPorts.lowerBound),
                isStream: forward.transport == .tcp, forward: port.id)
        }
        if places == [nil] {
            guard forward.transport == .udp else { return [order(nil, ipv4: true)] }
            var ipv6 = order(IPAddress(high: 0, low: 0), ipv4: false)
            ipv6.isOptional = true
            return [order(IPAddress(IPv4Address(rawValue: 0)), ipv4: true), ipv6]
        }
        return places.compactMap { $0 }.map { place in
            var order = order(place, ipv4: place.isIPv4)
            // A host without IPv6 has no loopback of that family either.
            order.isOptional = forward.hostAddress == nil && !place.isIPv4 && places.count > 1
            return order
        }
    }
}
