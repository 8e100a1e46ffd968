internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A guest's stock, on one shard, of new sockets that were opened inside the guest's network namespace. A process
/// there opens them and passes them to the shard over a channel.
struct SocketSupply: ~Copyable {
    /// The number of ready sockets of an address family below which more are requested.
    static var least: Int { 8 }
    /// The number of ready sockets of a family that a request aims at, beyond those for waiting connections.
    static var usual: Int { 16 }
    /// The most sockets in one reply.
    static var batch: Int { 64 }
    /// Room for the ready sockets of a family: the usual number, and one reply.
    private static var capacity: Int { usual + batch }

    /// The descriptor of the channel, or -1 without one.
    private(set) var line: Int32
    private var ipv4 = Stock(capacity: capacity)
    private var ipv6 = Stock(capacity: capacity)

    /// The sockets of one family.
    private struct Stock: BitwiseCopyable {
        let sockets: UnsafeMutablePointer<Int32>
        var count = 0
        var isAsked = false

        init(capacity: Int) { sockets = .allocate(capacity: capacity) }
    }

    /// - Parameter line: the descriptor of the channel, adopted; -1 for none.
    init(line: Int32) {
        self.line = line
        if line >= 0 { HostCalls.setNonblocking(line) }
    }

    /// Frees memory only. `close()` closes the descriptors and must be called before.
    deinit {
        ipv4.sockets.deallocate()
        ipv6.sockets.deallocate()
    }

    /// Whether there is a channel, so that sockets can be requested.
    var isOpen: Bool { line >= 0 }

    /// Whether a socket of the family is ready.
    func isReady(ipv4 isIPv4: Bool) -> Bool { (isIPv4 ? ipv4.count : ipv6.count) > 0 }

    /// A socket of the family, or `nil` when none is ready.
    mutating func take(ipv4 isIPv4: Bool) -> Int32? {
        isIPv4 ? Self.take(&ipv4) : Self.take(&ipv6)
    }

    private static func take(_ stock: inout Stock) -> Int32? {
        guard stock.count > 0 else { return nil }
        stock.count -= 1
        return stock.sockets[stock.count]
    }

    /// The number of ready sockets of both families.
    var stock: Int { ipv4.count + ipv6.count }

    /// Closes the ready sockets; false if there are none.
    mutating func closeStock() -> Bool {
        guard stock > 0 else { return false }
        while let socket = take(ipv4: true) { HostCalls.close(socket) }
        while let socket = take(ipv4: false) { HostCalls.close(socket) }
        return true
    }

    /// Requests sockets of a family if fewer than `least` are ready and no reply is due. Returns true if no reply of
    /// either family was due before and one is due now: the caller must then poll the channel.
    ///
    /// - Parameter waiting: the number of connections that wait for a socket.
    mutating func refill(ipv4 isIPv4: Bool, waiting: Int) -> Bool {
        guard line >= 0 else { return false }
        let wasAsked = isAsked
        if isIPv4 { Self.ask(line, 4, &ipv4, waiting) } else { Self.ask(line, 6, &ipv6, waiting) }
        return !wasAsked && isAsked
    }

    private static func ask(_ line: Int32, _ family: UInt8, _ stock: inout Stock, _ waiting: Int) {
        guard !stock.isAsked, stock.count < least else { return }
        let wanted = min(batch, usual - stock.count + waiting)
        var request: (UInt8, UInt8) = (family, UInt8(wanted))
        stock.isAsked = HostCalls.send(line, &request, 2, Int32(MSG_NOSIGNAL)) == 2
    }

    /// Whether a reply is due.
    var isAsked: Bool { ipv4.isAsked || ipv6.isAsked }

    /// Whether a reply for this family is due.
    func isAsked(ipv4 isIPv4: Bool) -> Bool { isIPv4 ? ipv4.isAsked : ipv6.isAsked }

    /// Receives all pending replies.
    mutating func receive() {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: Int(RINGWAY_MAXIMUM_DESCRIPTORS)) { descriptors in
            while line >= 0 {
                var family: UInt8 = 0
                var count = 0
                let received = HostCalls.receiveDescriptors(line, &family, descriptors.baseAddress, &count)
                if received < 0, errno == EAGAIN || errno == EINTR { break }
                // EMFILE: the reply's sockets are lost, because receiving them would have exceeded the process's
                // limit of descriptors. The channel remains usable.
                guard received == 1 || received < 0 && errno == EMFILE else {
                    // The other end is closed, as when the process in the guest has ended: no more sockets can come.
                    close()
                    break
                }
                for index in 0..<count { keep(descriptors[index], ipv4: family == 4) }
                if family == 4 { ipv4.isAsked = false } else { ipv6.isAsked = false }
            }
        }
    }

    private mutating func keep(_ socket: Int32, ipv4 isIPv4: Bool) {
        let count = isIPv4 ? ipv4.count : ipv6.count
        guard count < Self.capacity else {
            HostCalls.close(socket)
            return
        }
        if isIPv4 {
            ipv4.sockets[count] = socket
            ipv4.count += 1
        } else {
            ipv6.sockets[count] = socket
            ipv6.count += 1
        }
    }

    /// Closes the channel and the stock.
    mutating func close() {
        _ = closeStock()
        if line >= 0 { HostCalls.close(line) }
        line = -1
        ipv4.isAsked = false
        ipv6.isAsked = false
    }
}
