internal import Glibc
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

    /// Publishes ports of the host as ports of a guest, at once or as soon as it comes. All of a range or none of it.
    @discardableResult
    public func publish(_ forward: PortForward) throws(Failure) -> PublishedPort.ID {
        guard forward.hostPorts.count == forward.guestPorts.count else {
            throw Failure(
                "\(forward): the host's range has \(forward.hostPorts.count) ports and the guest's "
                    + "\(forward.guestPorts.count)")
        }
        return try changes.withLock { (_) throws(Failure) in
            let (number, member) = state.withLock { state in
                state.nextForward += 1
                return (state.nextForward, Self.member(for: forward.guest, among: state.members))
            }
            var record = ForwardRecord(port: PublishedPort(id: number, forward: forward))
            if let member {
                try listen(member, forward, number)
                record.port.guest = member.guest.id
            } else {
                record.reservations = try reserve(forward)
            }
            let finished = record
            state.withLock { $0.forwards[number] = finished }
            report(.forwardAdded(finished.port))
            return number
        }
    }

    /// Ends what was published. Connections that came through it live on.
    public func unpublish(_ number: PublishedPort.ID) throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            let (record, engine) = state.withLock { state in
                let record = state.forwards.removeValue(forKey: number)
                return (record, record?.port.guest.flatMap { state.members[$0]?.engine })
            }
            guard var record else { throw Failure("nothing is published under the number \(number)") }
            engine?.unlisten(forward: number)
            record.closeReservations()
            report(.forwardRemoved(record.port))
        }
    }

    /// Has every forward lead to its guest, or to nobody, after guests have come or gone. The caller holds `changes`.
    func placeForwards() {
        let (records, members) = state.withLock { ($0.forwards.values.sorted { $0.port.id < $1.port.id }, $0.members) }
        for record in records {
            let wanted = Self.member(for: record.port.forward.guest, among: members)
            guard wanted?.guest.id != record.port.guest else { continue }
            var moved = record
            moved.port.guest = nil
            do throws(Failure) {
                moved.closeReservations()
                if let wanted {
                    try listen(wanted, record.port.forward, record.port.id)
                    moved.port.guest = wanted.guest.id
                } else {
                    moved.reservations = try reserve(record.port.forward)
                }
            } catch {
                report(.forwardFailed(moved.port, reason: error.description))
            }
            let finished = moved
            state.withLock { $0.forwards[finished.port.id] = finished }
        }
    }

    /// Gives up the ports that are kept for guests that are away. The caller holds `changes`.
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

    private func reserve(_ forward: PortForward) throws(Failure) -> [Int32] {
        var reservations: [Int32] = []
        for port in forward.hostPorts {
            do throws(HostListenFailure) {
                switch forward.transport {
                case .tcp: reservations.append(try Engine.reserve(address: forward.hostAddress, port: port))
                // A socket nobody reads would swallow what is to be refused.
                case .udp: try Engine.tryDatagrams(address: forward.hostAddress, port: port)
                }
            } catch {
                for descriptor in reservations { close(descriptor) }
                throw Failure(PortHolder.explain(error.errno, forward.hostAddress, port, forward.transport))
            }
        }
        return reservations
    }

    private func listen(_ member: Member, _ forward: PortForward, _ number: UInt32) throws(Failure) {
        for (port, guestPort) in zip(forward.hostPorts, forward.guestPorts) {
            do throws(HostListenFailure) {
                try listen(member, forward, port, guestPort, number)
            } catch {
                member.engine.unlisten(forward: number)
                throw Failure(PortHolder.explain(error.errno, forward.hostAddress, port, forward.transport))
            }
        }
        member.engine.beginForwards()
    }

    private func listen(
        _ member: Member, _ forward: PortForward, _ port: UInt16, _ guestPort: UInt16, _ number: UInt32
    ) throws(HostListenFailure) {
        let (engine, guest) = (member.engine, member.guest)
        func target(_ ipv4: Bool) -> TransportAddress {
            TransportAddress(address: ipv4 ? IPAddress(guest.ipv4) : IPAddress(guest.ipv6), port: guestPort)
        }
        switch forward.transport {
        case .tcp:
            try engine.listen(
                address: forward.hostAddress, port: port, guest: target(forward.hostAddress?.isIPv4 ?? true),
                forward: number)
        case .udp:
            // A mapping belongs to the shard of the guest's address, so each family has a socket of its own.
            if let address = forward.hostAddress {
                try engine.receive(address: address, port: port, guest: target(address.isIPv4), forward: number)
                return
            }
            try engine.receive(
                address: IPAddress(IPv4Address(rawValue: 0)), port: port, guest: target(true), forward: number)
            do throws(HostListenFailure) {
                try engine.receive(
                    address: IPAddress(high: 0, low: 0), port: port, guest: target(false), forward: number)
            } catch  where error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL {
                // A host without IPv6.
            }
        }
    }
}
