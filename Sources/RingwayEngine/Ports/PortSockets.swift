internal import Dispatch
public import RingwayModel
internal import RingwaySystem

/// The host's sockets of published ports. The control plane owns them as long as the ports are published, and lends
/// them to the shards of the current guest.
///
/// The sockets are one list: for each order, one socket per port, or -1 if the order is optional and the host lacks
/// the address or its address family. Many sockets are divided among several threads.
public enum PortSockets {
    /// The most ports that a thread opens or closes at a time.
    private static var portsPerPart: Int { 1_024 }

    /// Opens the sockets of all orders, or none if one fails. The sockets of a resting order are inactive; the others
    /// listen, or receive datagrams.
    public static func open(_ orders: [ListenOrder]) throws(HostListenFailure) -> [Int32] {
        var sockets = [Int32](repeating: -1, count: count(orders))
        let failure = forEach(orders, &sockets) { order, port, socket in
            do throws(SystemError) {
                socket = try open(order, port)
                return 0
            } catch {
                return order.isOptional && error.isFamilyMissing ? 0 : error.errno
            }
        }
        guard let failure else { return sockets }
        close(sockets)
        throw failure
    }

    private static func open(_ order: ListenOrder, _ port: UInt16) throws(SystemError) -> Int32 {
        switch (order.isStream, order.isResting) {
        case (true, false): try Listener.stream(address: order.address, port: port)
        case (true, true): try Listener.restingStream(address: order.address, port: port)
        case (false, false): try Listener.datagram(address: order.address, port: port)
        case (false, true): try Listener.restingDatagram(address: order.address, port: port)
        }
    }

    /// Makes inactive sockets listen, or receive datagrams. If one fails, makes all of them inactive again.
    public static func wake(_ orders: [ListenOrder], _ sockets: inout [Int32]) throws(HostListenFailure) {
        let failure = forEach(orders, &sockets) { order, port, socket in
            do throws(SystemError) {
                if order.isStream {
                    try Listener.listen(socket)
                } else {
                    socket = try Listener.wakeDatagram(socket, address: order.address, port: port)
                }
                return 0
            } catch {
                return error.errno
            }
        }
        guard let failure else { return }
        rest(orders, &sockets)
        throw failure
    }

    /// Makes sockets inactive. No shard may use them any more. If that fails for a UDP socket, the socket still
    /// receives datagrams, but they are not read.
    public static func rest(_ orders: [ListenOrder], _ sockets: inout [Int32]) {
        _ = forEach(orders, &sockets) { order, port, socket in
            if order.isStream {
                Listener.rest(socket)
            } else {
                do throws(SystemError) {
                    try Listener.restDatagram(socket)
                } catch {}
            }
            return 0
        }
    }

    /// Closes sockets. No shard may use them any more.
    public static func close(_ sockets: [Int32]) {
        let parts = (sockets.count + portsPerPart - 1) / portsPerPart
        perform(parts) { part in
            for socket in sockets[(part * portsPerPart)...].prefix(portsPerPart) where socket >= 0 {
                Endpoint.close(socket, reset: false)
            }
        }
    }

    /// A port that is currently free.
    public static func freePort(address: IPAddress?, isStream: Bool) throws(HostListenFailure) -> UInt16 {
        do throws(SystemError) {
            let descriptor =
                isStream
                ? try Listener.restingStream(address: address, port: 0)
                : try Listener.datagram(address: address, port: 0)
            defer { Endpoint.close(descriptor, reset: false) }
            return SocketAddress.local(of: descriptor)?.port ?? 0
        } catch {
            throw HostListenFailure(errno: error.errno, port: 0, forward: 0)
        }
    }

    /// The address and port to which a socket is bound.
    public static func address(of socket: Int32) -> TransportAddress? { SocketAddress.local(of: socket) }

    /// The number of entries that the orders have in the list of sockets.
    public static func count(_ orders: [ListenOrder]) -> Int { orders.reduce(0) { $0 + $1.ports.count } }

    // MARK: Parallel execution

    /// A range of an order's ports, and the index of the first port's socket in the list.
    private struct Piece {
        let order: Int
        let ports: ClosedRange<UInt16>
        let place: Int
    }

    /// Calls `body` for each socket of the list, or for every entry if no socket is open yet. The list is divided
    /// into parts, which several threads handle; each part stops at its first failure. A result of `body` other than
    /// zero is a failure's `errno`. Returns the failure of the first part that has one.
    private static func forEach(
        _ orders: [ListenOrder], _ sockets: inout [Int32],
        _ body: @Sendable (ListenOrder, UInt16, inout Int32) -> Int32
    ) -> HostListenFailure? {
        let parts = Self.parts(of: orders)
        var failures = [HostListenFailure?](repeating: nil, count: parts.count)
        let isOpening = !sockets.contains { $0 >= 0 }
        sockets.withUnsafeMutableBufferPointer { sockets in
            failures.withUnsafeMutableBufferPointer { failures in
                // Each part of the list is written by one thread.
                nonisolated(unsafe) let (sockets, failures) = (sockets, failures)
                perform(parts.count) { part in
                    for piece in parts[part] {
                        let order = orders[piece.order]
                        for (index, port) in piece.ports.enumerated() {
                            let place = piece.place + index
                            guard isOpening || sockets[place] >= 0 else { continue }
                            let error = body(order, port, &sockets[place])
                            guard error != 0 else { continue }
                            failures[part] = HostListenFailure(errno: error, port: port, forward: order.forward)
                            return
                        }
                    }
                }
            }
        }
        return failures.lazy.compactMap { $0 }.first
    }

    private static func perform(_ parts: Int, _ body: @Sendable (Int) -> Void) {
        if parts == 1 { return body(0) }
        DispatchQueue.concurrentPerform(iterations: parts, execute: body)
    }

    /// The ports of all orders, divided into parts of at most `portsPerPart` ports.
    private static func parts(of orders: [ListenOrder]) -> [[Piece]] {
        var parts: [[Piece]] = []
        var room = 0
        var place = 0
        for (index, order) in orders.enumerated() {
            var first = Int(order.ports.lowerBound)
            while first <= Int(order.ports.upperBound) {
                if room == 0 {
                    parts.append([])
                    room = portsPerPart
                }
                let last = min(Int(order.ports.upperBound), first + room - 1)
                parts[parts.count - 1].append(
                    Piece(order: index, ports: UInt16(first)...UInt16(last), place: place))
                place += last - first + 1
                room -= last - first + 1
                first = last + 1
            }
        }
        return parts
    }
}
