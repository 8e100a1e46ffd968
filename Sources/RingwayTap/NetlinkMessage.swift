internal import CRingway

/// A request to the kernel on a NETLINK_ROUTE socket (RFC 3549).
///
///     0               4       6       8              12              16
///     +---------------+-------+-------+---------------+---------------+--------------+------------ - -
///     |    length     | type  | flags |   sequence    |     port      |    header    | attributes
///     +---------------+-------+-------+---------------+---------------+--------------+------------ - -
///
/// The headers are in host byte order. Every part is padded to a multiple of four bytes, and `length` is updated
/// after each.
public struct NetlinkMessage: Sendable {
    /// Bytes of the header that all messages share.
    public static var prologueLength: Int { 16 }

    /// The purpose of the request, for error messages, such as "add the address 192.0.2.1/24".
    public let purpose: String

    /// The message so far; its length is a multiple of four.
    public private(set) var bytes: [UInt8] = []

    /// A message with the header that all messages share and the header of its type, still without attributes.
    ///
    /// - Parameters:
    ///   - purpose: what the request does, as the end of the sentence "cannot …".
    ///   - type: `RTM_…`.
    ///   - flags: `NLM_F_…` beyond request and acknowledge, which are always set.
    ///   - header: the structure that the type requires, such as `ifinfomsg`.
    public init(_ purpose: String, type: Int, flags: Int = 0, header: some BitwiseCopyable) {
        self.purpose = purpose
        bytes.reserveCapacity(128)
        appendInteger(UInt32(0))
        appendInteger(UInt16(type))
        appendInteger(UInt16(Int(NLM_F_REQUEST) | Int(NLM_F_ACK) | flags))
        appendInteger(UInt32(0))
        appendInteger(UInt32(0))
        withUnsafeBytes(of: header) { bytes.append(contentsOf: $0) }
        finishPart()
    }

    /// Appends an integer attribute in host byte order.
    public mutating func append(_ attribute: Int, _ value: UInt32) {
        withUnsafeBytes(of: value) { append(attribute, bytes: $0) }
    }

    /// Appends an attribute of raw bytes, such as an address in network order.
    public mutating func append(_ attribute: Int, bytes value: UnsafeRawBufferPointer) {
        precondition(value.count <= 1024, "an attribute of this size is a mistake")
        appendInteger(UInt16(4 + value.count))
        appendInteger(UInt16(attribute))
        bytes.append(contentsOf: value)
        finishPart()
    }

    /// Sets the sequence number, which identifies the kernel's reply.
    public mutating func number(_ sequence: UInt32) {
        store(sequence, at: 8)
    }

    private mutating func appendInteger<Integer: FixedWidthInteger & BitwiseCopyable>(_ value: Integer) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    private mutating func finishPart() {
        while !bytes.count.isMultiple(of: 4) { bytes.append(0) }
        store(UInt32(bytes.count), at: 0)
    }

    private mutating func store(_ value: UInt32, at offset: Int) {
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
    }
}
