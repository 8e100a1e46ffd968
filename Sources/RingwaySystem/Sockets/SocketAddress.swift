public import CRingway
internal import Glibc
public import RingwayModel

/// A socket address in the kernel's format, IPv4 or IPv6.
public struct SocketAddress: BitwiseCopyable, Sendable {
    private var storage = InlineArray<4, UInt64>(repeating: 0)
    private var length: socklen_t = 0

    public init(_ address: TransportAddress) {
        length = withUnsafeMutablePointer(to: &storage) {
            ringway_socket_address(
                UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr_storage.self), address.address.isIPv4,
                address.address.high, address.address.low, address.port)
        }
    }

    /// Calls `body` with the address in the format of system calls. The pointer is valid until `body` returns.
    public func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            body(UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length)
        }
    }

    // MARK: System calls

    /// The address family for sockets to this address.
    public static func family(of address: IPAddress) -> Int32 { address.isIPv4 ? AF_INET : AF_INET6 }

    /// Calls bind(2). Returns zero, or the error number.
    public static func bind(_ descriptor: Int32, to address: TransportAddress) -> Int32 {
        SocketAddress(address).withPointer { Glibc.bind(descriptor, $0, $1) == 0 ? 0 : errno }
    }

    /// Calls connect(2). Returns zero, or the error number, which for a non-blocking stream is usually EINPROGRESS.
    public static func connect(_ descriptor: Int32, to address: TransportAddress) -> Int32 {
        SocketAddress(address).withPointer { Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
    }

    /// The local address of a socket; `nil` if getsockname(2) fails, or if the address is neither IPv4 nor IPv6.
    public static func local(of descriptor: Int32) -> TransportAddress? { name(of: descriptor, getsockname) }

    /// The address of a socket's peer; `nil` if getpeername(2) fails, or if the address is neither IPv4 nor IPv6.
    public static func peer(of descriptor: Int32) -> TransportAddress? { name(of: descriptor, getpeername) }

    /// Converts a `sockaddr` that the kernel wrote; returns `nil` if its family is neither IPv4 nor IPv6.
    public static func read(_ bytes: UnsafeRawPointer, length: socklen_t) -> TransportAddress? {
        var (high, low): (UInt64, UInt64) = (0, 0)
        var port: UInt16 = 0
        guard ringway_read_socket_address(bytes, length, &high, &low, &port) else { return nil }
        return TransportAddress(address: IPAddress(high: high, low: low), port: port)
    }

    private static func name(
        of descriptor: Int32,
        _ call: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
    ) -> TransportAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            guard call(descriptor, raw.assumingMemoryBound(to: sockaddr.self), &length) == 0 else { return nil }
            return read(raw, length: length)
        }
    }
}
