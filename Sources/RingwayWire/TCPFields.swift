/// The meaning of a TCP header.
@frozen
public struct TCPFields: Equatable, Sendable, BitwiseCopyable {
    /// The sender's port.
    public var sourcePort: UInt16
    /// The receiver's port.
    public var destinationPort: UInt16
    /// The first octet of payload, or of SYN.
    public var sequence: SequenceNumber
    /// The next octet expected.
    public var acknowledgement: SequenceNumber
    /// The control bits.
    public var flags: TCPFlags
    /// Octets of options that the caller writes behind the header: a multiple of four, at most 40.
    public var optionsLength: UInt8
    /// Octets accepted beyond `acknowledgement`, already scaled down.
    public var window: UInt16

    /// The fields of a segment.
    ///
    /// - Precondition: `optionsLength` is a multiple of four and at most 40.
    @inlinable
    public init(
        sourcePort: UInt16, destinationPort: UInt16, sequence: SequenceNumber, acknowledgement: SequenceNumber,
        flags: TCPFlags, window: UInt16, optionsLength: Int = 0
    ) {
        precondition(optionsLength & 3 == 0 && optionsLength >= 0 && optionsLength <= 40)
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.flags = flags
        self.optionsLength = UInt8(truncatingIfNeeded: optionsLength)
        self.window = window
    }

    /// Octets in the header, options included.
    @inlinable public var headerLength: Int { 20 &+ Int(optionsLength) }

    /// Writes the twenty octets before the options, with a zero checksum.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        target.store16(sourcePort, 0)
        target.store16(destinationPort, 2)
        target.store32(sequence.rawValue, 4)
        target.store32(acknowledgement.rawValue, 8)
        target.store8((5 &+ optionsLength / 4) << 4, 12)
        target.store8(flags.rawValue, 13)
        target.store16(window, 14)
        target.store32(0, 16)
    }
}
