internal import CRingway
public import RingwayModel
internal import RingwayReactor
internal import RingwayStack

extension Engine {
    /// Timeout for shards to stop using sockets lent to them, in milliseconds. A removed part replies at once.
    private static var closeTimeout: Int32 { 10_000 }

    /// Lends the sockets of published ports to the guest's shards, which forward clients to the guest. The shards may
    /// begin after this returns: until then the kernel queues clients and datagrams.
    ///
    /// - Parameter sockets: one entry for each port of `orders`, in the same sequence: the socket, or -1 for none.
    public func listen(_ orders: [ListenOrder], on sockets: [Int32]) {
        var lent = [[ListeningSocket]](repeating: [], count: shards)
        var place = 0
        for order in orders {
            for port in order.ports {
                defer { place += 1 }
                guard sockets[place] >= 0 else { continue }
                let guest = order.guest(of: port)
                lent[shard(of: order, port, guest)].append(
                    ListeningSocket(
                        descriptor: sockets[place], forward: order.forward, guest: guest, isStream: order.isStream))
            }
        }
        for (index, sockets) in lent.enumerated() where !sockets.isEmpty {
            var rest = sockets[...]
            while !rest.isEmpty {
                shared.commands[index].append(.listen(Array(rest.prefix(ShardCommand.sockets))))
                rest = rest.dropFirst(ShardCommand.sockets)
            }
            shared.call(index)
        }
    }

    /// The guest's address to which clients of an address family are forwarded, as far as it is known now.
    public func target(ipv4: Bool) -> IPAddress {
        shared.addresses.target(ipv4: ipv4, now: ringway_monotonic_nanoseconds())
    }

    /// The part that gets a port's socket. Any part may accept the clients of a TCP port, because it passes each
    /// client to the part that owns the client's flow, so TCP ports are spread over the parts. A UDP socket goes to
    /// the part that owns the mappings of the guest's address and port.
    private func shard(of order: ListenOrder, _ port: UInt16, _ guest: TransportAddress) -> Int {
        if shards == 1 { return 0 }
        if order.isStream { return Int(port) % shards }
        let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
        return key.owner(shards: shards, secret: shared.configuration.stack.secret)
    }

    /// Ends forwards, and waits at most for `closeTimeout` until the shards no longer use the forwards' sockets. TCP
    /// connections continue; UDP mappings of the ports end.
    public func unlisten(forwards: Set<UInt32>) {
        let ended = ShardReply(count: shards)
        for index in 0..<shards { send(.unlisten(forwards, from: 0, ended), to: index) }
        ended.wait(milliseconds: Self.closeTimeout)
    }
}
