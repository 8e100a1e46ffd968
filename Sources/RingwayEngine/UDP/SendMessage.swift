internal import CRingway
internal import RingwayModel
internal import RingwayStorage

/// The header of one `sendmsg` and all that it points to, except the payload: these must stay in place in memory
/// until the operation completes. Payload slices are in leased buffers.
struct SendMessage: BitwiseCopyable {
    /// The most slices in one send.
    static var sliceLimit: Int { 16 }
    /// The most bytes of control data: 40 for the source address, and 24 each for hop limit, traffic class and
    /// segment size.
    static var controlLimit: Int { 112 }

    var header = msghdr()
    var slices = InlineArray<16, iovec>(repeating: iovec())
    var leases = InlineArray<16, Lease>(repeating: .none)
    var control = InlineArray<14, UInt64>(repeating: 0)
    var address = SocketAddress()
    var count = 0
    /// The flow to which the message belongs; unused in a message of a TCP socket.
    var owner = Handle(slot: 0, generation: 0)
    /// The destination of a datagram, for error reports. It and the fields below apply to all datagrams of a train
    /// (`isTrain`).
    var target = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    /// The host's source address; `nil` for the socket's own.
    var source: IPAddress?
    var hopLimit: UInt8 = 64
    var trafficClass: UInt8 = 0
    /// Whether the socket was set to refuse the datagram if it exceeds the path MTU.
    var dontFragment = false
    /// Bytes of each datagram of a train except the last; zero for a single datagram to which nothing may be appended.
    var segmentSize: UInt16 = 0
    /// Whether the kernel has refused the message once, with the error of an earlier datagram, and it was sent again.
    var hasRetried = false

    init() {}

    private static let slicesOffset = MemoryLayout<SendMessage>.offset(of: \.slices) ?? 0
    private static let controlOffset = MemoryLayout<SendMessage>.offset(of: \.control) ?? 0
    private static let addressOffset = MemoryLayout<SendMessage>.offset(of: \.address) ?? 0

    /// Adds a slice of the buffer `lease`.
    mutating func append(_ address: UnsafeMutableRawPointer, _ length: Int, _ lease: Lease) {
        slices[count] = iovec(iov_base: address, iov_len: length)
        leases[count] = lease
        count += 1
    }

    /// Fills in the header when all slices have been added, and returns it.
    static func seal(
        _ message: UnsafeMutablePointer<SendMessage>, address: Bool, controlLength: Int
    ) -> UnsafeMutablePointer<msghdr> {
        let base = UnsafeMutableRawPointer(message)
        message.pointee.header = msghdr()
        message.pointee.header.msg_iov = (base + slicesOffset).assumingMemoryBound(to: iovec.self)
        message.pointee.header.msg_iovlen = message.pointee.count
        if address {
            message.pointee.header.msg_name = base + addressOffset
            message.pointee.header.msg_namelen = message.pointee.address.length
        }
        precondition(controlLength <= controlLimit, "control data was written beyond its room")
        if controlLength > 0 {
            message.pointee.header.msg_control = base + controlOffset
            message.pointee.header.msg_controllen = controlLength
        }
        return base.assumingMemoryBound(to: msghdr.self)
    }

    /// The bytes of the first slice. A datagram or a train has only this slice.
    var length: Int { slices[0].iov_len }

    /// Whether the message is a *train*: several datagrams in one buffer, which the kernel segments (UDP_SEGMENT).
    var isTrain: Bool { segmentSize > 0 && length > Int(segmentSize) }

    /// Whether a datagram of `bytes` bytes may be appended to the train: it is not longer than the first, no earlier
    /// one was shorter, and the total stays within the limits of UDP and the kernel.
    func hasRoom(forDatagramOf bytes: Int) -> Bool {
        let size = Int(segmentSize)
        return size > 0 && bytes > 0 && bytes <= size && length.isMultiple(of: size)
            && length + bytes <= min(size * Self.trainLimit, Self.trainBytes)
    }

    /// The most datagrams in one train (the kernel's UDP_MAX_SEGMENTS was 64 before Linux 6.12), and the most bytes of
    /// their payloads.
    static var trainLimit: Int { 64 }
    static var trainBytes: Int { 65_535 - 48 }

    /// Sets the payload, address and control data of a datagram's header.
    static func sealDatagram(_ message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutablePointer<msghdr> {
        let control = control(of: message)
        let ipv4 = message.pointee.target.address.isIPv4
        var length = 0
        if let source = message.pointee.source {
            length = Int(ringway_write_source_control(control, source.isIPv4, source.high, source.low))
        }
        // The kernel's default hop limit, 64, is also used for 63, which is the default of most guests after one hop.
        // Neither needs control data.
        let hopLimit = message.pointee.hopLimit
        length += Int(
            ringway_write_datagram_control(
                control + length, ipv4, hopLimit >= 63 && hopLimit <= 64 ? -1 : Int32(hopLimit),
                Int32(message.pointee.trafficClass), message.pointee.isTrain ? message.pointee.segmentSize : 0))
        return seal(message, address: true, controlLength: length)
    }

    /// The memory for control data.
    static func control(of message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(message) + controlOffset
    }
}
