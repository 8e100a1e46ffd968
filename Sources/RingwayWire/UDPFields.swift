/// The meaning of a UDP header.
@frozen
public struct UDPFields: Equatable, Sendable, BitwiseCopyable {
    /// The sender's port.
    public var sourcePort: UInt16
    /// The receiver's port.
    public var destinationPort: UInt16
    /// Octets after the header.
    public var payloadLength: UInt16

    /// The fields of a datagram.
    ///
    /// - Precondition: header and payload fit in 65535 octets.
    @inlinable
    public init(sourcePort: UInt16, destinationPort: UInt16, payloadLength: Int) {
        precondition(payloadLength >= 0 && payloadLength <= 65535 - 8, "payload does not fit a UDP datagram")
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.payloadLength = UInt16(truncatingIfNeeded: payloadLength)
    }

    /// Writes eight octets with a zero checksum.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store16(sourcePort, 0)
        target.store16(destinationPort, 2)
        target.store16(payloadLength &+ 8, 4)
        target.store16(0, 6)
    }
}
