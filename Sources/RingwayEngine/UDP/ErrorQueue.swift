internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem

/// A queued error about a datagram (ip(7), IP_RECVERR).
struct DatagramError: Sendable {
    /// The origin of the error.
    enum Origin: Sendable { case local, icmp }

    var origin: Origin
    var errno: Int32
    var type: UInt8
    var code: UInt8
    /// `ee_info`: the MTU, if the error is that the datagram was too long.
    var information: UInt32
    /// The router or host that reported the error.
    var offender: IPAddress?
    /// The destination of the datagram.
    var destination: TransportAddress
}

/// Reads a socket's error queue, without waiting.
struct ErrorQueue {
    /// The oldest error of a socket, without the quoted data; `nil` if the queue is empty or the entry cannot be
    /// read.
    static func first(of descriptor: Int32) -> DatagramError? {
        var first: DatagramError?
        _ = next(of: descriptor) { error, _ in first = error }
        return first
    }

    /// The most errors that one call of `drain` reads. Further errors are read by the next call.
    private static var drainLimit: Int { 16 }

    /// Reads a socket's queued errors, oldest first; returns their number.
    static func drain(
        _ descriptor: Int32, _ take: (DatagramError, UnsafeRawBufferPointer) -> Void
    ) -> Int {
        var count = 0
        while count < drainLimit, next(of: descriptor, take) { count += 1 }
        return count
    }

    // The sizes of the areas into which `next` receives: the quoted payload, control data and the destination's name,
    // in this order.
    private static var payloadLimit: Int { 2_048 }
    private static var controlLimit: Int { 512 }
    private static var nameLimit: Int { 128 }

    /// Passes the next error, and the datagram's payload as far as the kernel quotes it, to `take`. Skips an entry
    /// that cannot be read. False if the queue is empty.
    static func next(
        of descriptor: Int32, _ take: (DatagramError, UnsafeRawBufferPointer) -> Void
    ) -> Bool {
        // The memory is on the thread's stack: a temporary allocation of this size would use the heap.
        var storage = InlineArray<336, UInt64>(repeating: 0)
        return withUnsafeMutableBytes(of: &storage) { memory -> Bool in
            guard let base = memory.baseAddress, memory.count >= payloadLimit + controlLimit + nameLimit else {
                return false
            }
            let control = base + payloadLimit
            let name = control + controlLimit
            var slice = iovec(iov_base: base, iov_len: payloadLimit)
            var header = msghdr()
            header.msg_name = name
            header.msg_namelen = UInt32(nameLimit)
            header.msg_control = control
            header.msg_controllen = controlLimit
            let received = withUnsafeMutablePointer(to: &slice) { slice in
                header.msg_iov = slice
                header.msg_iovlen = 1
                return HostCalls.receiveMessage(descriptor, &header, Int32(MSG_ERRQUEUE) | Int32(MSG_DONTWAIT))
            }
            guard received >= 0 else { return false }
            var notes = ringway_datagram_notes()
            ringway_read_datagram_control(control, UInt32(header.msg_controllen), &notes)
            guard notes.error_number != 0,
                let destination = SocketAddress.read(name, length: header.msg_namelen)
            else { return true }
            let error = DatagramError(
                origin: notes.error_origin == 1 ? .local : .icmp, errno: notes.error_number, type: notes.error_type,
                code: notes.error_code, information: notes.error_information,
                offender: notes.has_offender
                    ? IPAddress(high: notes.offender_high, low: notes.offender_low) : nil,
                destination: destination)
            take(error, UnsafeRawBufferPointer(start: base, count: received))
            return true
        }
    }
}
