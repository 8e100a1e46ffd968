/// The meaning of a router advertisement before its options (RFC 4861 §4.2).
///
///     var options = RouterAdvertisementFields(routerLifetime: 1800).write(to: message, capacity: 512)
///     options.appendMTU(1500)
///     let length = options.length
public struct RouterAdvertisementFields: Equatable, Sendable {
    /// The hop limit hosts are to use; zero leaves it to them.
    public var hopLimit: UInt8
    /// Addresses are to be had by DHCPv6.
    public var isManaged: Bool
    /// Other configuration is to be had by DHCPv6.
    public var hasOtherConfiguration: Bool
    /// Seconds for which the sender is a default router; zero means it is none.
    public var routerLifetime: UInt16
    /// Milliseconds for which a neighbour counts as reachable; zero leaves it to hosts.
    public var reachableTime: UInt32
    /// Milliseconds between solicitations; zero leaves it to hosts.
    public var retransmissionTime: UInt32

    /// The fields.
    public init(
        hopLimit: UInt8 = 64, isManaged: Bool = false, hasOtherConfiguration: Bool = false, routerLifetime: UInt16,
        reachableTime: UInt32 = 0, retransmissionTime: UInt32 = 0
    ) {
        self.hopLimit = hopLimit
        self.isManaged = isManaged
        self.hasOtherConfiguration = hasOtherConfiguration
        self.routerLifetime = routerLifetime
        self.reachableTime = reachableTime
        self.retransmissionTime = retransmissionTime
    }

    /// Octets before the options.
    public static var length: Int { 16 }

    /// Writes the sixteen octets with a zero checksum and returns what appends the options to them.
    ///
    /// - Precondition: `capacity`, the octets that the whole message may have, is at least sixteen.
    public func write(to message: UnsafeMutableRawPointer, capacity: Int) -> NDPOptionWriter {
        precondition(capacity >= Self.length)
        let flags: UInt8 = (isManaged ? 0x80 : 0) | (hasOtherConfiguration ? 0x40 : 0)
        let parameter = UInt32(hopLimit) << 24 | UInt32(flags) << 16 | UInt32(routerLifetime)
        ICMPv6Fields(type: ICMPv6Header.routerAdvertisement, parameter: parameter).write(to: message)
        message.store32(reachableTime, 8)
        message.store32(retransmissionTime, 12)
        return NDPOptionWriter(message, offset: Self.length, capacity: capacity)
    }
}
