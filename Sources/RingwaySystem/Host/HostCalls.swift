public import CRingway
internal import Glibc

/// The system calls on sockets, pipes and eventfds that the data path makes directly, rather than through io_uring.
///
/// ## Theory of operation
///
/// Each function calls the C library or CRingway, and leaves `errno` as that call sets it. In a simulation a
/// `HostModel` takes the place of the kernel. A function that opens a descriptor then calls the model of its thread.
/// So does a function that gets a descriptor of a model, which it recognises by the number, with one comparison.
public enum HostCalls {
    /// The model that a descriptor belongs to; `nil` if it is the kernel's.
    @inline(__always)
    private static func model(of descriptor: Int32) -> HostModel? {
        descriptor >= HostModel.firstDescriptor ? owner(of: descriptor) : nil
    }

    @inline(never)
    private static func owner(of descriptor: Int32) -> HostModel? {
        guard let model = HostModel.current else {
            preconditionFailure("descriptor \(descriptor) is of a model that its thread does not have")
        }
        return model
    }

    // MARK: Opening and closing

    /// socket(2).
    public static func socket(_ family: Int32, _ type: Int32, _ transport: Int32) -> Int32 {
        if let model = HostModel.current { return model.socket(family, type, transport) }
        return Glibc.socket(family, type, transport)
    }

    /// Makes two connected unix sockets of `type`, which includes flags. Returns `nil` on failure.
    public static func pair(_ type: Int32) -> (Int32, Int32)? {
        if let model = HostModel.current { return model.pair(type) }
        var pair: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &pair) { bytes in
            socketpair(AF_UNIX, type, 0, bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        return result == 0 ? pair : nil
    }

    /// Makes a non-blocking pipe. Returns its read end and its write end, or `nil` on failure.
    public static func pipe() -> (Int32, Int32)? {
        if let model = HostModel.current { return model.pipe() }
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutablePointer(to: &ends) { pointer in
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) { ringway_pipe($0) }
        }
        return result == 0 ? ends : nil
    }

    /// eventfd(2), non-blocking.
    public static func event() -> Int32 {
        if let model = HostModel.current { return model.event() }
        return eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    }

    /// Adds one to an eventfd.
    public static func signal(_ event: Int32) {
        var one: UInt64 = 1
        if let model = model(of: event) {
            _ = model.send(event, &one, 8, 0)
        } else {
            _ = write(event, &one, 8)
        }
    }

    /// Opens a descriptor to hold in reserve. The caller closes it when it needs another descriptor and none is free.
    public static func spare() -> Int32 {
        if let model = HostModel.current { return model.spare() }
        return eventfd(0, Int32(EFD_CLOEXEC))
    }

    /// close(2).
    @discardableResult
    public static func close(_ descriptor: Int32) -> Int32 {
        if let model = model(of: descriptor) { return model.close(descriptor) }
        return Glibc.close(descriptor)
    }

    /// Makes the close of a TCP socket send RST instead of FIN.
    public static func lingerZero(_ descriptor: Int32) {
        if let model = model(of: descriptor) { return model.lingerZero(descriptor) }
        _ = ringway_linger_zero(descriptor)
    }

    /// shutdown(2).
    @discardableResult
    public static func shutdown(_ descriptor: Int32, _ how: Int32) -> Int32 {
        if let model = model(of: descriptor) { return model.shutdown(descriptor, how) }
        return Glibc.shutdown(descriptor, how)
    }

    // MARK: Addresses

    /// bind(2).
    public static func bind(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
        if let model = model(of: descriptor) { return model.bind(descriptor, address, length) }
        return Glibc.bind(descriptor, address, length)
    }

    /// connect(2).
    public static func connect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
        if let model = model(of: descriptor) { return model.connect(descriptor, address, length) }
        return Glibc.connect(descriptor, address, length)
    }

    /// accept(2), without the client's address.
    public static func accept(_ descriptor: Int32) -> Int32 {
        if let model = model(of: descriptor) { return model.accept(descriptor) }
        return Glibc.accept(descriptor, nil, nil)
    }

    /// getpeername(2).
    public static func peerName(
        _ descriptor: Int32, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int32 {
        if let model = model(of: descriptor) { return model.name(descriptor, isPeer: true, address, length) }
        return getpeername(descriptor, address, length)
    }

    /// getsockname(2).
    public static func localName(
        _ descriptor: Int32, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int32 {
        if let model = model(of: descriptor) { return model.name(descriptor, isPeer: false, address, length) }
        return getsockname(descriptor, address, length)
    }

    // MARK: Bytes

    /// recv(2).
    public static func receive(
        _ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int, _ flags: Int32
    ) -> Int {
        if let model = model(of: descriptor) { return model.receive(descriptor, bytes, count, flags) }
        return recv(descriptor, bytes, count, flags)
    }

    /// send(2).
    public static func send(
        _ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: Int32
    ) -> Int {
        if let model = model(of: descriptor) { return model.send(descriptor, bytes, count, flags) }
        return Glibc.send(descriptor, bytes, count, flags)
    }

    /// recvmsg(2).
    public static func receiveMessage(
        _ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, _ flags: Int32
    ) -> Int {
        if let model = model(of: descriptor) { return model.receiveMessage(descriptor, message, flags) }
        return recvmsg(descriptor, message, flags)
    }

    /// sendmsg(2).
    public static func sendMessage(_ descriptor: Int32, _ message: UnsafePointer<msghdr>, _ flags: Int32) -> Int {
        if let model = model(of: descriptor) { return model.sendMessage(descriptor, message, flags) }
        return sendmsg(descriptor, message, flags)
    }

    /// Receives one byte and the descriptors that were sent with it (SCM_RIGHTS), at most
    /// RINGWAY_MAXIMUM_DESCRIPTORS.
    public static func receiveDescriptors(
        _ descriptor: Int32, _ byte: UnsafeMutablePointer<UInt8>, _ descriptors: UnsafeMutablePointer<Int32>?,
        _ count: inout Int
    ) -> Int {
        guard let model = model(of: descriptor), let descriptors else {
            return ringway_receive_message(descriptor, byte, 1, descriptors, &count)
        }
        return model.receiveDescriptors(descriptor, byte, descriptors, &count)
    }

    /// Calls splice(2), non-blocking. Returns the number of bytes moved, or a negated `errno`.
    public static func splice(_ from: Int32, _ to: Int32, _ count: Int) -> Int {
        if let model = model(of: from) { return model.splice(from, to, count) }
        return ringway_splice(from, to, count)
    }
}

// MARK: Options

extension HostCalls {
    /// setsockopt(2) with an integer.
    @discardableResult
    public static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Int32 {
        if let model = model(of: descriptor) { return model.setOption(descriptor, level, name, value) }
        return ringway_set_option(descriptor, level, name, value)
    }

    /// The value of an integer option, by getsockopt(2); a negated `errno` on failure.
    public static func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
        if let model = model(of: descriptor) { return model.option(descriptor, level, name) }
        return ringway_get_option(descriptor, level, name)
    }

    /// Returns and clears a socket's pending error.
    public static func takeError(_ descriptor: Int32) -> Int32 {
        if let model = model(of: descriptor) { return model.takeError(descriptor) }
        return ringway_socket_error(descriptor)
    }

    /// Whether the socket has bytes to receive; false if it only has end of file.
    public static func hasUnread(_ descriptor: Int32) -> Bool {
        if let model = model(of: descriptor) { return model.unread(descriptor) > 0 }
        return ringway_has_unread(descriptor)
    }

    /// Whether the next byte of a stream is urgent; always false in a model.
    public static func isAtMark(_ descriptor: Int32) -> Bool {
        descriptor < HostModel.firstDescriptor && ringway_is_at_mark(descriptor)
    }

    /// The traffic class (the TOS byte for IPv4) in the handshake of an accepted connection; zero in a model.
    public static func clientTrafficClass(_ descriptor: Int32, ipv4: Bool) -> Int32 {
        descriptor < HostModel.firstDescriptor ? ringway_client_traffic_class(descriptor, ipv4) : 0
    }

    /// Makes a datagram socket report the hop limit and traffic class of received datagrams, or stop reporting them.
    public static func receiveMarks(_ descriptor: Int32, ipv4: Bool, _ wanted: Bool = true) {
        if descriptor < HostModel.firstDescriptor { ringway_receive_marks(descriptor, ipv4, wanted) }
    }

    /// Makes a raw ICMP socket receive only echo replies whose identifier equals `identifier` in the bits of `mask`.
    /// If the kernel refuses that filter, the caller receives all echo replies, and must drop the others itself.
    public static func passEchoReplies(_ descriptor: Int32, ipv4: Bool, _ identifier: UInt16, mask: UInt16) {
        guard descriptor < HostModel.firstDescriptor else { return }
        _ = ringway_filter_icmp_echo_reply(descriptor, ipv4)
        _ = ringway_filter_echo_identifiers(descriptor, ipv4, identifier, mask)
    }

    /// Makes a raw ICMP socket that is only used for sending receive nothing.
    public static func passNothing(_ descriptor: Int32, ipv4: Bool) {
        if descriptor < HostModel.firstDescriptor { _ = ringway_filter_icmp_nothing(descriptor, ipv4) }
    }

    /// Makes a descriptor non-blocking. The descriptors of a model always are.
    public static func setNonblocking(_ descriptor: Int32) {
        if descriptor < HostModel.firstDescriptor { _ = ringway_set_nonblocking(descriptor) }
    }

    /// Sets the size of a pipe in bytes (F_SETPIPE_SZ). Returns the actual size, or a negative number if the kernel
    /// refuses.
    public static func setPipeSize(_ pipe: Int32, _ bytes: Int32) -> Int32 {
        pipe < HostModel.firstDescriptor ? ringway_set_pipe_size(pipe, bytes) : bytes
    }

    /// Reads the peer's state from TCP_INFO. Returns zero, or -1 if the socket is not TCP.
    public static func readPeer(_ descriptor: Int32, _ peer: inout ringway_peer) -> Int32 {
        guard let model = model(of: descriptor) else { return ringway_read_peer(descriptor, &peer) }
        // The simulated peer is alive. Data that it has not received yet is reported as one segment that has been
        // unacknowledged for 300 ms.
        guard !model.isDelivered(descriptor) else { return 0 }
        peer.silence_milliseconds = 300
        peer.unacknowledged = 1
        peer.timeout_microseconds = 200_000
        peer.round_trip_microseconds = 1_000
        return 0
    }
}
