internal import RingwayEngine
internal import RingwayModel
internal import Synchronization

/// Published ports stay published until they are removed. While no guest matches a forward, its ports stay bound and
/// clients are refused. If a forward moves to another guest, existing connections continue.
extension VirtualNetwork {
    /// All published ports, in order of publication.
    public var publishedPorts: [PublishedPort] {
        state.withLock { $0.forwards.values.map(\.port).sorted { $0.id < $1.id } }
    }

    /// The port with this number; `nil` if there is none.
    public func publishedPort(_ number: PublishedPort.ID) -> PublishedPort? {
        state.withLock { $0.forwards[number]?.port }
    }

    /// Publishes ports of a guest as ports of the host. The guest need not be attached yet. All ports of a range are
    /// published, or none.
    ///
    /// - Parameters:
    ///   - forward: if its host port is 0, any free host ports are chosen; if it has several host ports for one guest
    ///     port, a free one of them is chosen. The result names the chosen ports.
    ///   - owner: the owner tag; `setPublished` for another owner does not remove the forward.
    ///   - keepsTrying: whether to keep and retry a forward whose fixed host ports cannot be opened. The call then does
    ///     not throw, and the result's `problem` is the reason.
    @discardableResult
    public func publish(
        _ forward: PortForward, owner: String = "", keepsTrying: Bool = false
    ) throws(Failure) -> PublishedPort {
        try check(forward)
        return try changes.withLock { (_) throws(Failure) in
            let added: PublishedPort
            do throws(Failure) {
                added = try add(forward, owner)
            } catch {
                guard keepsTrying, !forward.choosesHostPorts else { throw error }
                return keepTrying(forward, owner, error)
            }
            report(.forwardAdded(added))
            return added
        }
    }

    /// Removes a published port. Its ports are free when this returns; existing connections continue.
    public func unpublish(_ number: PublishedPort.ID) throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            guard let port = publishedPort(number) else {
                throw Failure("nothing is published under the number \(number)", .notFound)
            }
            closePorts(of: take([port]))
            report(.forwardRemoved(port))
        }
    }

    /// Removes a published port.
    public func unpublish(_ port: PublishedPort) throws(Failure) { try unpublish(port.id) }

    /// Makes these the only published ports of the owner. Those that are published already stay, and so do their
    /// connections. If a port cannot be opened, nothing is changed.
    @discardableResult
    public func setPublished(_ wanted: [PortForward], owner: String = "") throws(Failure) -> ForwardChanges {
        for forward in wanted { try check(forward) }
        // Duplicate requests count once, but each request for an automatic port gets its own port.
        var counts: [PortForward: Int] = Dictionary(minimumCapacity: wanted.count)
        for forward in wanted {
            if forward.choosesHostPorts { counts[forward, default: 0] += 1 } else { counts[forward] = 1 }
        }
        let wanted = Self.some(of: wanted, counts)
        if let (first, second) = PortForward.conflict(in: wanted) {
            throw Failure("\(first) and \(second) want the same port of the host", .invalid)
        }
        return try changes.withLock { (_) throws(Failure) in
            var missing = counts
            var result = ForwardChanges()
            for port in publishedPorts where port.owner == owner {
                // A request for a fixed port also matches an earlier forward for which the network itself chose this
                // port.
                let match = [port.requested, port.forward].first { missing[$0, default: 0] > 0 }
                if port.problem == nil, let match {
                    missing[match, default: 0] -= 1
                    result.kept.append(port)
                } else {
                    result.removed.append(port)
                }
            }
            result.added = try replace(result.removed, by: Self.some(of: wanted, missing), owner)
            report(result.removed.map { .forwardRemoved($0) } + result.added.map { .forwardAdded($0) })
            return result
        }
    }

    /// Removes all forwards of an owner. The caller holds `changes`.
    func removeForwards(of owner: String) throws(Failure) {
        let removed = publishedPorts.filter { $0.owner == owner }
        _ = try replace(removed, by: [], owner)
        report(removed.map { .forwardRemoved($0) })
    }

    /// Keeps, of each group of equal forwards in `wanted`, only as many as `counts` says, and keeps the order.
    private static func some(of wanted: [PortForward], _ counts: [PortForward: Int]) -> [PortForward] {
        // Usually all remain, and the array, which may be long, is then not copied.
        guard counts.values.reduce(0, +) < wanted.count else { return wanted }
        var counts = counts
        return wanted.filter { forward in
            guard let count = counts[forward], count > 0 else { return false }
            counts[forward] = count - 1
            return true
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

    // MARK: The table of forwards; the caller holds `changes`

    /// Adds a new forward, and chooses its host ports if the request has no fixed ones.
    private func add(_ forward: PortForward, _ owner: String) throws(Failure) -> PublishedPort {
        if !forward.choosesHostPorts {
            var records = [makeRecord(forward, requested: forward, owner)]
            do throws(HostListenFailure) {
                try place(&records)
            } catch {
                throw failure(error, records)
            }
            keep(records)
            return records[0].port
        }
        var candidates = PortCandidates(forward)
        while let chosen = try candidates.next() {
            var records = [makeRecord(chosen, requested: forward, owner)]
            do throws(HostListenFailure) {
                try place(&records)
            } catch {
                if error.isInUse { continue }
                throw failure(error, records)
            }
            keep(records)
            return records[0].port
        }
        throw Failure("cannot publish \(forward): \(candidates.reason)", .portInUse)
    }

    /// Replaces forwards by new ones; on failure the old ones are restored. If an old and a new forward have the same
    /// host address, ports and transport, the new one takes over the sockets, so that the ports are never free in
    /// between.
    private func replace(
        _ removed: [PublishedPort], by forwards: [PortForward], _ owner: String
    ) throws(Failure) -> [PublishedPort] {
        var old = take(removed)
        var heirs: [HostPlaces: Int] = [:]
        for (index, record) in old.enumerated() { heirs[HostPlaces(record.port.forward)] = index }
        var records: [ForwardRecord] = []
        var heritage: [(from: Int, to: Int)] = []
        let fixed = forwards.filter { !$0.choosesHostPorts }
        for forward in fixed {
            var record = makeRecord(forward, requested: forward, owner)
            if let index = heirs.removeValue(forKey: HostPlaces(forward)), !old[index].sockets.isEmpty {
                record.adopt(socketsOf: old[index])
                old[index].forgetSockets()
                heritage.append((from: index, to: records.count))
            }
            records.append(record)
        }
        // The ports of old forwards that overlap new ones are closed first.
        let isInTheWay = Self.overlapping(old.map(\.port.forward), fixed)
        for index in old.indices where isInTheWay[index] {
            closePorts(of: [old[index]])
            old[index].forgetSockets()
        }
        var added: [PublishedPort] = []
        do throws(Failure) {
            do throws(HostListenFailure) {
                try place(&records)
            } catch {
                throw failure(error, records)
            }
            keep(records)
            added = records.map(\.port)
            for forward in forwards where forward.choosesHostPorts { added.append(try add(forward, owner)) }
        } catch {
            var failed = added.isEmpty ? records : take(added)
            for (from, to) in heritage {
                old[from].adopt(socketsOf: failed[to])
                failed[to].forgetSockets()
            }
            closePorts(of: failed)
            keep(placeEach(old))
            throw error
        }
        closePorts(of: old)
        return added
    }

    /// For each forward of the first list, whether it overlaps one of the second. Does not compare all pairs.
    private static func overlapping(_ forwards: [PortForward], _ others: [PortForward]) -> [Bool] {
        guard !forwards.isEmpty, !others.isEmpty else { return Array(repeating: false, count: forwards.count) }
        let ordered = others.sorted { $0.hostPorts.lowerBound < $1.hostPorts.lowerBound }
        let widest = ordered.reduce(0) { max($0, $1.hostPorts.count) }
        return forwards.map { forward in
            // A range of ports that begins below `least` ends before this forward's range, because no range is longer
            // than `widest`.
            let least = max(0, Int(forward.hostPorts.lowerBound) - widest)
            var (low, high) = (0, ordered.count)
            while low < high {
                let middle = (low + high) / 2
                if Int(ordered[middle].hostPorts.lowerBound) < least { low = middle + 1 } else { high = middle }
            }
            for other in ordered[low...] {
                if other.hostPorts.lowerBound > forward.hostPorts.upperBound { return false }
                if other.overlaps(forward) { return true }
            }
            return false
        }
    }

    private func makeRecord(_ forward: PortForward, requested: PortForward, _ owner: String) -> ForwardRecord {
        let number = state.withLock { $0.freshForwardNumber() }
        return ForwardRecord(port: PublishedPort(id: number, forward: forward, requested: requested, owner: owner))
    }

    /// Removes forwards from the table and from their guests; their ports stay bound.
    private func take(_ ports: [PublishedPort]) -> [ForwardRecord] {
        let (records, members) = state.withLock { state in
            let records = ports.compactMap { state.forwards.removeValue(forKey: $0.id) }
            // A dictionary does not shrink, so an empty one, which may have been large, is replaced.
            if state.forwards.isEmpty { state.forwards = [:] }
            return (records, state.members)
        }
        unlisten(records, members)
        return records.map { record in
            var record = record
            record.port.guest = nil
            return record
        }
    }

    /// Adds a forward that cannot be opened yet.
    private func keepTrying(_ forward: PortForward, _ owner: String, _ failure: Failure) -> PublishedPort {
        var record = makeRecord(forward, requested: forward, owner)
        record.port.problem = failure.description
        keep([record])
        report(.forwardFailed(record.port, reason: failure.description))
        tryAgainLater()
        return record.port
    }

    func keep(_ records: [ForwardRecord]) {
        state.withLock { state in
            if state.forwards.isEmpty { state.forwards.reserveCapacity(records.count) }
            for record in records { state.forwards[record.port.id] = record }
        }
    }
}

/// The host address, ports and transport of a forward. Forwards that agree in these need the same host sockets.
private struct HostPlaces: Hashable {
    let address: IPAddress?
    let ports: ClosedRange<UInt16>
    let transport: PortForward.Transport

    init(_ forward: PortForward) {
        address = forward.hostAddress
        ports = forward.hostPorts
        transport = forward.transport
    }
}
