internal import Dispatch
internal import RingwayHost
internal import RingwayReactor
internal import RingwayStack
public import RingwayWire
internal import Synchronization

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
    public let forward: UInt32

    public init(errno: Int32, port: UInt16, forward: UInt32) {
        self.errno = errno
        self.port = port
        self.forward = forward
    }
}

/// Some of an order's ports.
private struct ListenPart {
    let order: ListenOrder
    let ports: ClosedRange<UInt16>
}

/// What has been opened of a part, by shard, and why no more was.
private struct OpenedPart {
    var sockets: [[ListeningSocket]]
    var failure: HostListenFailure?

    init(shards: Int) { sockets = Array(repeating: [], count: shards) }
}

extension Engine {
    /// Milliseconds that shards may take to give listeners back; for one that has ended nobody waits.
    private static var closePatience: Int32 { 10_000 }
    /// Ports that a thread opens or closes at a time.
    private static var portsPerPart: Int { 1_024 }

    /// Publishes ports, all of them or none. Clients are served from when it returns.
    public func listen(_ orders: [ListenOrder]) throws(HostListenFailure) {
        let sockets = try openAll(orders)
        for (index, sockets) in sockets.enumerated() {
            var rest = sockets[...]
            while !rest.isEmpty {
                shared.commands[index].append(.listen(Array(rest.prefix(ShardCommand.sockets))))
                rest = rest.dropFirst(ShardCommand.sockets)
            }
            shared.network.doorbell(of: index).wake()
        }
    }

    /// The sockets of all orders, or of none, by the shard whose they are.
    private func openAll(_ orders: [ListenOrder]) throws(HostListenFailure) -> [[ListeningSocket]] {
        let parts = Self.parts(of: orders)
        var opened = [OpenedPart](repeating: OpenedPart(shards: shards), count: parts.count)
        opened.withUnsafeMutableBufferPointer { opened in
            if parts.count <= 1 {
                for index in parts.indices { opened[index] = open(parts[index]) }
            } else {
                // Each part writes to its own place.
                nonisolated(unsafe) let places = opened
                DispatchQueue.concurrentPerform(iterations: parts.count) { places[$0] = open(parts[$0]) }
            }
        }
        if let failure = opened.lazy.compactMap(\.failure).first {
            for part in opened {
                for socket in part.sockets.joined() { Endpoint.close(socket.descriptor, reset: false) }
            }
            throw failure
        }
        return (0..<shards).map { shard in opened.flatMap { $0.sockets[shard] } }
    }

    /// The orders in parts of a bounded number of ports each: of many ports every processor opens some.
    private static func parts(of orders: [ListenOrder]) -> [[ListenPart]] {
        var parts: [[ListenPart]] = []
        var room = 0
        for order in orders {
            var first = Int(order.ports.lowerBound)
            while first <= Int(order.ports.upperBound) {
                if room == 0 {
                    parts.append([])
                    room = portsPerPart
                }
                let last = min(Int(order.ports.upperBound), first + room - 1)
                parts[parts.count - 1].append(ListenPart(order: order, ports: UInt16(first)...UInt16(last)))
                room -= last - first + 1
                first = last + 1
            }
        }
        return parts
    }

    private func open(_ part: [ListenPart]) -> OpenedPart {
        var opened = OpenedPart(shards: shards)
        do throws(HostListenFailure) {
            for piece in part {
                for port in piece.ports { try open(piece.order, port, &opened.sockets) }
            }
        } catch {
            opened.failure = error
        }
        return opened
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

    /// Keeps the ports of a TCP order from others without listening at them, so that clients are refused; of a UDP order
    /// it is only found out whether they could be had, because a socket nobody reads would swallow what is to be refused.
    public static func reserve(_ order: ListenOrder) throws(HostListenFailure) -> [Int32] {
        var descriptors: [Int32] = []
        for port in order.ports {
            do throws(HostFailure) {
                if order.isStream {
                    descriptors.append(try Listener.reserve(address: order.address, port: port))
                } else {
                    Endpoint.close(try Listener.datagram(address: order.address, port: port), reset: false)
                }
            } catch {
                if order.isOptional, error.isFamilyMissing { continue }
                for descriptor in descriptors { Endpoint.close(descriptor, reset: false) }
                throw HostListenFailure(errno: error.errno, port: port, forward: order.forward)
            }
        }
        return descriptors
    }

    /// A port that is free at this moment.
    public static func freePort(address: IPAddress?, isStream: Bool) throws(HostListenFailure) -> UInt16 {
        do throws(HostFailure) {
            let descriptor =
                isStream
                ? try Listener.reserve(address: address, port: 0) : try Listener.datagram(address: address, port: 0)
            defer { Endpoint.close(descriptor, reset: false) }
            return SocketAddress.local(of: descriptor)?.port ?? 0
        } catch {
            throw HostListenFailure(errno: error.errno, port: 0, forward: 0)
        }
    }

    /// Ends forwards: their ports are free when it returns, connections that came through them live on.
    public func unlisten(forwards: Set<UInt32>) {
        let ended = EndedListeners(shards: shards)
        for index in 0..<shards { send(.unlisten(forwards, from: 0, ended), to: index) }
        let descriptors = ended.take(within: Self.closePatience)
        let part = Self.portsPerPart
        DispatchQueue.concurrentPerform(iterations: (descriptors.count + part - 1) / part) { index in
            for descriptor in descriptors[(index * part)...].prefix(part) { Endpoint.close(descriptor, reset: false) }
        }
    }
}
