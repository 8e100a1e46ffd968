internal import CRingway
internal import RingwayModel
internal import RingwaySystem

/// A `sockaddr` for a system call or a ring operation. Its owner must keep it in place in memory until the kernel has
/// read it.
struct SocketAddress: BitwiseCopyable {
    var storage = InlineArray<4, UInt64>(repeating: 0)
    private(set) var length: UInt32 = 0

    init() {}

    init(_ address: TransportAddress) { set(address) }

    mutating func set(_ address: TransportAddress) {
        length = withUnsafeMutablePointer(to: &storage) {
            ringway_socket_address(
                UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr_storage.self), address.address.isIPv4,
                address.address.high, address.address.low, address.port)
        }
    }

    /// Reads an address that the kernel wrote; `nil` if it is neither IPv4 nor IPv6.
    static func read(_ bytes: UnsafeRawPointer, length: UInt32) -> TransportAddress? {
        var high: UInt64 = 0
        var low: UInt64 = 0
        var port: UInt16 = 0
        guard ringway_read_socket_address(bytes, length, &high, &low, &port) else { return nil }
        return TransportAddress(address: IPAddress(high: high, low: low), port: port)
    }

    /// A pointer for a system call, or for an operation whose owner keeps this value in place.
    static func pointer(to address: UnsafeMutablePointer<SocketAddress>) -> UnsafeMutablePointer<sockaddr> {
        UnsafeMutableRawPointer(address).assumingMemoryBound(to: sockaddr.self)
    }

    /// The address of a connected socket's peer.
    static func peer(of descriptor: Int32) -> TransportAddress? { name(of: descriptor, HostCalls.peerName) }

    /// The local address of a bound socket.
    static func local(of descriptor: Int32) -> TransportAddress? { name(of: descriptor, HostCalls.localName) }

    private static func name(
        of descriptor: Int32,
        _ ask: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> TransportAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            guard ask(descriptor, raw.assumingMemoryBound(to: sockaddr.self), &length) == 0 else { return nil }
            return read(raw, length: length)
        }
    }
}
