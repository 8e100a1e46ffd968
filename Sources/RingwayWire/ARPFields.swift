/// The meaning of an ARP packet.
@frozen
public struct ARPFields: Equatable, Sendable, BitwiseCopyable {
    /// `ARPPacket.request` or `ARPPacket.reply`.
    public var operation: UInt16
    /// The sender's ethernet address.
    public var senderMAC: MACAddress
    /// The sender's address.
    public var senderIP: IPv4Address
    /// The ethernet address asked for; zero in a request.
    public var targetMAC: MACAddress
    /// The address asked for.
    public var targetIP: IPv4Address

    /// The five fields.
    @inlinable
    public init(
        operation: UInt16, senderMAC: MACAddress, senderIP: IPv4Address, targetMAC: MACAddress, targetIP: IPv4Address
    ) {
        self.operation = operation
        self.senderMAC = senderMAC
        self.senderIP = senderIP
        self.targetMAC = targetMAC
        self.targetIP = targetIP
    }

    /// Writes 28 octets.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store64(ARPPacket.families << 16 | UInt64(operation), 0)
        senderMAC.store(to: target + 8)
        senderIP.store(to: target + 14)
        targetMAC.store(to: target + 18)
        targetIP.store(to: target + 24)
    }
}
