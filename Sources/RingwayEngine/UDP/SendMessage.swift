internal import CRingway
internal import RingwayModel
internal import RingwayStorage

/// One `sendmsg` in the kernel's hands: everything it points to stays in place until it completes.
struct SendMessage: BitwiseCopyable {
    /// The most slices in one send.
    static var sliceLimit: Int { 16 }
    /// Bytes of control data: source address, hop limit, traffic class and segment size (40 + 3 × 24) at once.
    static var controlLimit: Int { 112 }

    var header = msghdr()
    var slices = InlineArray<16, iovec>(repeating: iovec())
    var leases = InlineArray<16, Lease>(repeating: .none)
    var control = InlineArray<14, UInt64>(repeating: 0)
    var address = SocketAddress()
    var count = 0
    /// The mapping or socket the message belongs to.
    var owner = Handle(slot: 0, generation: 0)
    /// Where a datagram goes, to say so when it fails, and how: what the datagrams of a train have in common.
    var target = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    /// The host's address that a datagram leaves from; `nil` for the socket's own.
    var source: IPAddress?
    var hopLimit: UInt8 = 64
    var trafficClass: UInt8 = 0
    /// The socket was told to refuse it where it does not fit the path.
    var dontFragment = false
    /// Bytes of each datagram of a train but the last; zero for a single datagram that nothing may follow.
    var segmentSize: UInt16 = 0
    /// The message was refused once, for an error that was not its own.
    var hasRetried = false

    init() {}

    private static let slicesOffset = MemoryLayout<SendMessage>.offset(of: \.slices) ?? 0
    private static let controlOffset = MemoryLayout<SendMessage>.offset(of: \.control) ?? 0
    private static let addressOffset = MemoryLayout<SendMessage>.offset(of: \.address) ?? 0

    /// Adds a slice that `lease` holds.
    mutating func append(_ address: UnsafeMutableRawPointer, _ length: Int, _ lease: Lease) {
        slices[count] = iovec(iov_base: address, iov_len: length)
        leases[count] = lease
        count += 1
    }

    /// Points the header at the slices, once they are all there.
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

    /// The bytes of the first slice, which is the only one of a datagram.
    var length: Int { slices[0].iov_len }

    /// Several datagrams in one piece, which the kernel is asked to cut (UDP_SEGMENT).
    var isTrain: Bool { segmentSize > 0 && length > Int(segmentSize) }

    /// Whether `bytes` more may follow as one datagram of the same train: it is not longer than those before, none
    /// of which was shorter than the first, and the whole stays within what UDP and the kernel can take.
    func hasRoom(forDatagramOf bytes: Int) -> Bool {
        let size = Int(segmentSize)
        return size > 0 && bytes > 0 && bytes <= size && length.isMultiple(of: size)
            && length + bytes <= min(size * Self.trainLimit, Self.trainBytes)
    }

    /// Datagrams in one train (the kernel's UDP_MAX_SEGMENTS was 64 before Linux 6.12), and their bytes.
    static var trainLimit: Int { 64 }
    static var trainBytes: Int { 65_535 - 48 }

    /// Points the header of a datagram at its payload, address and control data.
    static func sealDatagram(_ message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutablePointer<msghdr> {
        let control = control(of: message)
        let ipv4 = message.pointee.target.address.isIPv4
        var length = 0
        if let source = message.pointee.source {
            length = Int(ringway_write_source_control(control, source.isIPv4, source.high, source.low))
        }
        // 64 is what the host's kernel sets by itself, and what a guest sends that sets nothing, less one hop.
        let hopLimit = message.pointee.hopLimit
        length += Int(
            ringway_write_datagram_control(
                control + length, ipv4, hopLimit >= 63 && hopLimit <= 64 ? -1 : Int32(hopLimit),
                Int32(message.pointee.trafficClass), message.pointee.isTrain ? message.pointee.segmentSize : 0))
        return seal(message, address: true, controlLength: length)
    }

    /// Where control data is written.
    static func control(of message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(message) + controlOffset
    }
}
