/// The meaning of the first eight octets of an ICMP message; both families share the layout.
@frozen
public struct ICMPFields: Equatable, Sendable, BitwiseCopyable {
    /// A constant of `ICMPv4Header` or `ICMPv6Header`.
    public var type: UInt8
    /// What refines the type.
    public var code: UInt8
    /// Of an echo: which conversation.
    public var identifier: UInt16
    /// Of an echo: which request. Of "fragmentation needed": the next hop's MTU.
    public var sequence: UInt16

    /// The fields of an echo, or of an error that carries nothing.
    @inlinable
    public init(type: UInt8, code: UInt8 = 0, identifier: UInt16 = 0, sequence: UInt16 = 0) {
        self.type = type
        self.code = code
        self.identifier = identifier
        self.sequence = sequence
    }

    /// The fields of an error with a 32-bit parameter, such as "packet too big".
    @inlinable
    public init(type: UInt8, code: UInt8 = 0, parameter: UInt32) {
        self.init(
            type: type, code: code, identifier: UInt16(truncatingIfNeeded: parameter >> 16),
            sequence: UInt16(truncatingIfNeeded: parameter))
    }

    /// Writes eight octets with a zero checksum.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store8(type, 0)
        target.store8(code, 1)
        target.store16(0, 2)
        target.store16(identifier, 4)
        target.store16(sequence, 6)
    }
}

/// ICMP for IPv4 has no pseudo-header, ICMPv6 has one; the eight octets are the same.
public typealias ICMPv4Fields = ICMPFields
/// ICMP for IPv4 has no pseudo-header, ICMPv6 has one; the eight octets are the same.
public typealias ICMPv6Fields = ICMPFields
