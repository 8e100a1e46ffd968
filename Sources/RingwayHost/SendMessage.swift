public import CRingway
public import RingwayStorage
public import RingwayWire

/// One `sendmsg` in the kernel's hands: everything it points to stays in place until it completes.
public struct SendMessage: BitwiseCopyable {
    /// The most slices in one send.
    public static var sliceLimit: Int { 16 }
    /// Octets of control data: source address, hop limit, traffic class and segment size (40 + 3 × 24) at once.
    public static var controlLimit: Int { 112 }

    public var header = msghdr()
    public var slices = InlineArray<16, iovec>(repeating: iovec())
    public var leases = InlineArray<16, Lease>(repeating: .none)
    public var control = InlineArray<14, UInt64>(repeating: 0)
    public var address = SocketAddress()
    public var count = 0
    /// The mapping or socket the message belongs to.
    public var owner = Handle(slot: 0, generation: 0)
    /// Where a datagram goes, to say so when it fails, and how: what the datagrams of a train have in common.
    public var target = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    /// The host's address that a datagram leaves from; `nil` for the socket's own.
    public var source: IPAddress?
    public var hopLimit: UInt8 = 64
    public var trafficClass: UInt8 = 0
    /// The socket was told to refuse it where it does not fit the path.
    public var dontFragment = false
    /// Octets of each datagram of a train but the last; zero for a single datagram that nothing may follow.
    public var segmentSize: UInt16 = 0
    /// The message was refused once, for an error that was not its own.
    public var hasRetried = false

    public init() {}

    private static let slicesOffset = MemoryLayout<SendMessage>.offset(of: \.slices) ?? 0
    private static let controlOffset = MemoryLayout<SendMessage>.offset(of: \.control) ?? 0
    private static let addressOffset = MemoryLayout<SendMessage>.offset(of: \.address) ?? 0

    /// Adds a slice that `lease` holds.
    public mutating func append(_ address: UnsafeMutableRawPointer, _ length: Int, _ lease: Lease) {
        slices[count] = iovec(iov_base: address, iov_len: length)
        leases[count] = lease
        count += 1
    }

    /// Points the header at the slices, once they are all there.
    public static func seal(
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

    /// The octets of the first slice, which is the only one of a datagram.
    public var length: Int { slices[0].iov_len }

    /// Several datagrams in one piece, which the kernel is asked to cut (UDP_SEGMENT).
    public var isTrain: Bool { segmentSize > 0 && length > Int(segmentSize) }

    /// Whether `octets` more may follow as one datagram of the same train: it is not longer than those before, none
    /// of which was shorter than the first, and the whole stays within what UDP and the kernel can take.
    public func hasRoom(forDatagramOf octets: Int) -> Bool {
        let size = Int(segmentSize)
        return size > 0 && octets > 0 && octets <= size && length.isMultiple(of: size)
            && length + octets <= min(size * Self.trainLimit, Self.trainOctets)
    }

    /// Datagrams in one train (the kernel's UDP_MAX_SEGMENTS was 64 before Linux 6.12), and their octets.
    public static var trainLimit: Int { 64 }
    public static var trainOctets: Int { 65_535 - 48 }

    /// Points the header of a datagram at its payload, address and control data.
    public static func sealDatagram(_ message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutablePointer<msghdr> {
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
    public static func control(of message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(message) + controlOffset
    }
}
