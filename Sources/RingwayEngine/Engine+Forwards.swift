internal import RingwayHost
internal import RingwayReactor
internal import RingwayStack
internal import Synchronization
public import RingwayWire

/// Ports of the host that are to lead to a guest: one socket for each of them, or for each shard.
public struct ListenOrder: Sendable {
    /// `nil` for every address of both families, which only TCP has one socket for.
    public var address: IPAddress?
    public var ports: ClosedRange<UInt16>
    /// Where the first port leads; the others lead to those behind it.
    public var guest: TransportAddress
    /// TCP rather than UDP.
    public var isStream: Bool
    /// The number of the forward that they are part of.
    public var forward: UInt32
    /// Whether nothing is wrong with a host that lacks the address's family.
    public var isOptional = false

    /// The whole order.
    public init(
        address: IPAddress?, ports: ClosedRange<UInt16>, guest: TransportAddress, isStream: Bool, forward: UInt32
    ) {
        self.address = address
        self.ports = ports
        self.guest = guest
        self.isStream = isStream
        self.forward = forward
    }

    fileprivate func guest(of port: UInt16) -> TransportAddress {
        TransportAddress(address: guest.address, port: guest.port &+ (port &- ports.lowerBound))
    }
}

/// A port could not be listened on.
public struct HostListenFailure: Error, Equatable, Sendable {
    public let errno: Int32
    public let port: UInt16
    /// The number of the forward that the port is part of.
    public var forward: UInt32 = 0
}

extension Engine {
    /// Milliseconds that shards may take over the closing of ports; a shard that has ended never replies.
    private static var closePatience: Int32 { 2_000 }

    /// Publishes ports, all of them or none. Clients are served from when it returns.
    public func listen(_ orders: [ListenOrder]) throws(HostListenFailure) {
        var sockets = [[ListeningSocket]](repeating: [], count: shards)
        do throws(HostListenFailure) {
            for order in orders {
                for port in order.ports { try open(order, port, &sockets) }
            }
        } catch {
            for socket in sockets.joined() { Endpoint.close(socket.descriptor, reset: false) }
            throw error
        }
        for (index, sockets) in sockets.enumerated() {
            var rest = sockets[...]
            while !rest.isEmpty {
                send(.listen(Array(rest.prefix(ShardCommand.sockets))), to: index)
                rest = rest.dropFirst(ShardCommand.sockets)
            }
        }
    }

    private func open(
        _ order: ListenOrder, _ port: UInt16, _ sockets: inout [[ListeningSocket]]
    ) throws(HostListenFailure) {
        let guest = order.guest(of: port)
        do throws(HostFailure) {
            guard order.isStream else {
                let descriptor = try Listener.datagram(address: order.address, port: port)
                // A mapping belongs to the shard of the guest's address.
                let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
                let owner = Stack.owner(of: key, shards: shards, secret: shared.configuration.stack.secret)
                sockets[owner].append(
                    ListeningSocket(descriptor: descriptor, forward: order.forward, guest: guest, isStream: false))
                return
            }
            let listeners = try Listener.stream(address: order.address, port: port, count: shards)
            for (index, descriptor) in listeners.enumerated() {
                sockets[index].append(
                    ListeningSocket(descriptor: descriptor, forward: order.forward, guest: guest, isStream: true))
            }
        } catch {
            if order.isOptional, error.isFamilyMissing { return }
            throw HostListenFailure(errno: error.errno, port: port, forward: order.forward)
        }
    }

    /// Keeps a TCP port from others without listening at it, so that clients are refused.
    public static func reserve(address: IPAddress?, port: UInt16) throws(HostListenFailure) -> Int32 {
        do throws(HostFailure) {
            return try Listener.reserve(address: address, port: port)
        } catch {
            throw HostListenFailure(errno: error.errno, port: port)
        }
    }

    /// Whether UDP `port` could be had now.
    public static func tryDatagrams(address: IPAddress?, port: UInt16) throws(HostListenFailure) {
        do throws(HostFailure) {
            Endpoint.close(try Listener.datagram(address: address, port: port), reset: false)
        } catch {
            throw HostListenFailure(errno: error.errno, port: port)
        }
    }

    /// Ends forwards: their ports are free when it returns, connections that came through them live on.
    public func unlisten(forwards: Set<UInt32>) {
        let reply = ShardReply(count: shards)
        for index in 0..<shards { send(.unlisten(forwards, from: 0, reply), to: index) }
        reply.wait(milliseconds: Self.closePatience)
    }
}
