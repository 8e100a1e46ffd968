/// The meaning of an ethernet header.
@frozen
public struct EthernetFields: Equatable, Sendable, BitwiseCopyable {
    /// To whom the frame goes.
    public var destination: MACAddress
    /// Who sends it.
    public var source: MACAddress
    /// One of `EtherType`.
    public var etherType: UInt16

    /// The three fields.
    @inlinable
    public init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
        self.destination = destination
        self.source = source
        self.etherType = etherType
    }

    /// Writes fourteen octets.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        destination.store(to: target)
        source.store(to: target + 6)
        target.store16(etherType, 12)
    }
}
