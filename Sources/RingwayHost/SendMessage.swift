public import CRingway
public import RingwayStorage

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
    /// Where the datagram goes, to say so when it fails.
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

    /// Where control data is written.
    public static func control(of message: UnsafeMutablePointer<SendMessage>) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(message) + controlOffset
    }
}
