internal import CRingway
internal import Glibc
public import RingwayAgentProtocol
internal import RingwayConversation
public import RingwayWire

/// Sockets on the host for ports that agents ask for.
public enum PublishedSocket {
    private static var backlog: Int32 { 1_024 }

    /// Opens what was asked for: a listener, or a bound UDP socket. Answers its port too, which may have been the
    /// kernel's choice. An unspecified address stands for its own family alone.
    public static func open(_ request: PublishRequest) throws(Refusal) -> (descriptor: Int32, port: UInt16) {
        let isStream = request.transport == .tcp
        let descriptor = try bound(request.host, isStream: isStream)
        do throws(Refusal) {
            if isStream {
                guard listen(descriptor, backlog) == 0 else { throw Refusal(errorNumber: errno) }
            } else {
                // From here on our own sockets for single clients may join.
                _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)
                DatagramForward.prepare(descriptor, ipv4: request.host.address.isIPv4)
            }
            guard request.host.port == 0 else { return (descriptor, request.host.port) }
            guard let name = SocketName.local(of: descriptor) else { throw Refusal(errorNumber: errno) }
            return (descriptor, name.port)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// A socket that is bound and does not listen.
    public static func bound(_ address: TransportAddress, isStream: Bool) throws(Refusal) -> Int32 {
        let isIPv4 = address.address.isIPv4
        let kind = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
        let descriptor = socket(
            isIPv4 ? AF_INET : AF_INET6, kind | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Refusal(errorNumber: errno) }
        if isStream { _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        if !isIPv4 { _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        guard SocketName.bind(descriptor, address) else {
            let refusal = Refusal(errorNumber: errno)
            close(descriptor)
            throw refusal
        }
        return descriptor
    }
}

/// Addresses of sockets.
enum SocketName {
    static func bind(_ descriptor: Int32, _ address: TransportAddress) -> Bool {
        apply(descriptor, address) { Glibc.bind($0, $1, $2) } == 0
    }

    static func connect(_ descriptor: Int32, _ address: TransportAddress) -> Bool {
        apply(descriptor, address) { Glibc.connect($0, $1, $2) } == 0
    }

    static func local(of descriptor: Int32) -> TransportAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            guard getsockname(descriptor, raw.assumingMemoryBound(to: sockaddr.self), &length) == 0 else { return nil }
            return read(raw, length: length)
        }
    }

    /// `nil` for a peer that has no address of the internet's.
    static func peer(of descriptor: Int32) -> TransportAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            guard getpeername(descriptor, raw.assumingMemoryBound(to: sockaddr.self), &length) == 0 else { return nil }
            return read(raw, length: length)
        }
    }

    /// Reads what the kernel wrote; `nil` when it is neither IPv4 nor IPv6.
    static func read(_ bytes: UnsafeRawPointer, length: socklen_t) -> TransportAddress? {
        var (high, low): (UInt64, UInt64) = (0, 0)
        var port: UInt16 = 0
        guard ringway_read_socket_address(bytes, length, &high, &low, &port) else { return nil }
        return TransportAddress(address: IPAddress(high: high, low: low), port: port)
    }

    private static func apply(
        _ descriptor: Int32, _ address: TransportAddress,
        _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var storage = sockaddr_storage()
        let length = ringway_socket_address(
            &storage, address.address.isIPv4, address.address.high, address.address.low, address.port)
        return withUnsafePointer(to: &storage) {
            call(descriptor, UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length)
        }
    }
}
