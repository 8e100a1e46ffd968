public import RingwayModel

/// A checked view of a neighbour solicitation (RFC 4861 §4.3).
@frozen
public struct NeighborSolicitation: BitwiseCopyable {
    /// Bytes before the options.
    @inlinable public static var length: Int { 24 }

    /// The options.
    public let options: NDPOptions
    @usableFromInline let base: UnsafeRawPointer

    /// Parses a whole ICMPv6 message. Returns `nil` if the message is too short or of another type, or if its code is
    /// not zero, its target is multicast or its options are malformed. The caller checks that the hop limit is 255.
    public init?(_ message: UnsafeRawBufferPointer) {
        guard let base = message.baseAddress, message.count >= Self.length,
            base.byte(0) == ICMPv6Header.neighborSolicitation, base.byte(1) == 0,
            !IPv6Address(loadingFrom: base + 8).isMulticast,
            let options = NDPOptions(UnsafeRawBufferPointer(rebasing: message[Self.length...]))
        else { return nil }
        self.base = base
        self.options = options
    }

    /// The solicited address.
    @inlinable public var target: IPv6Address { IPv6Address(loadingFrom: base + 8) }

    /// The sender's ethernet address; absent in duplicate address detection (RFC 4862 §5.4).
    public var sourceLinkLayerAddress: MACAddress? {
        options.linkLayerAddress(NDPOptions.sourceLinkLayerAddress)
    }
}

/// The fields of a neighbour solicitation (RFC 4861 §4.3).
public struct NeighborSolicitationFields: Equatable, Sendable {
    /// The solicited address.
    public var target: IPv6Address
    /// The sender's ethernet address; `nil` if the sender has no IPv6 address yet.
    public var sourceLinkLayerAddress: MACAddress?

    /// A solicitation with these fields.
    public init(target: IPv6Address, sourceLinkLayerAddress: MACAddress?) {
        self.target = target
        self.sourceLinkLayerAddress = sourceLinkLayerAddress
    }

    /// The length of the longest message.
    public static var lengthLimit: Int { 32 }

    /// Writes the ICMPv6 message with a zero checksum and returns its length.
    public func write(to message: UnsafeMutableRawPointer) -> Int {
        ICMPv6Fields(type: ICMPv6Header.neighborSolicitation).write(to: message)
        target.store(to: message + 8)
        var options = NDPOptionWriter(message, offset: NeighborSolicitation.length, capacity: Self.lengthLimit)
        if let sourceLinkLayerAddress {
            options.appendLinkLayerAddress(NDPOptions.sourceLinkLayerAddress, sourceLinkLayerAddress)
        }
        return options.length
    }
}

/// A checked view of a neighbour advertisement (RFC 4861 §4.4).
@frozen
public struct NeighborAdvertisement: BitwiseCopyable {
    /// Bytes before the options.
    @inlinable public static var length: Int { 24 }

    /// The options.
    public let options: NDPOptions
    @usableFromInline let base: UnsafeRawPointer

    /// Parses a whole ICMPv6 message. Returns `nil` if the message is too short or of another type, or if its code is
    /// not zero, its target is multicast or its options are malformed. The caller checks that the hop limit is 255.
    public init?(_ message: UnsafeRawBufferPointer) {
        guard let base = message.baseAddress, message.count >= Self.length,
            base.byte(0) == ICMPv6Header.neighborAdvertisement, base.byte(1) == 0,
            !IPv6Address(loadingFrom: base + 8).isMulticast,
            let options = NDPOptions(UnsafeRawBufferPointer(rebasing: message[Self.length...]))
        else { return nil }
        self.base = base
        self.options = options
    }

    /// The sender is a router.
    @inlinable public var isRouter: Bool { base.byte(4) & 0x80 != 0 }
    /// The message is the reply to a solicitation.
    @inlinable public var isSolicited: Bool { base.byte(4) & 0x40 != 0 }
    /// Override: the receiver replaces its cache entry.
    @inlinable public var overrides: Bool { base.byte(4) & 0x20 != 0 }
    /// The advertised address.
    @inlinable public var target: IPv6Address { IPv6Address(loadingFrom: base + 8) }

    /// The target's ethernet address.
    public var targetLinkLayerAddress: MACAddress? {
        options.linkLayerAddress(NDPOptions.targetLinkLayerAddress)
    }
}

/// The fields of a neighbour advertisement (RFC 4861 §4.4).
public struct NeighborAdvertisementFields: Equatable, Sendable {
    /// The advertised address.
    public var target: IPv6Address
    /// The target's ethernet address.
    public var targetLinkLayerAddress: MACAddress?
    /// The sender is a router.
    public var isRouter: Bool
    /// The message is the reply to a solicitation.
    public var isSolicited: Bool
    /// Override: the receiver replaces its cache entry.
    public var overrides: Bool

    /// An advertisement with these fields.
    public init(
        target: IPv6Address, targetLinkLayerAddress: MACAddress?, isRouter: Bool, isSolicited: Bool, overrides: Bool
    ) {
        self.target = target
        self.targetLinkLayerAddress = targetLinkLayerAddress
        self.isRouter = isRouter
        self.isSolicited = isSolicited
        self.overrides = overrides
    }

    /// The length of the longest message.
    public static var lengthLimit: Int { 32 }

    /// Writes the ICMPv6 message with a zero checksum and returns its length.
    public func write(to message: UnsafeMutableRawPointer) -> Int {
        let flags: UInt32 = (isRouter ? 1 << 31 : 0) | (isSolicited ? 1 << 30 : 0) | (overrides ? 1 << 29 : 0)
        ICMPv6Fields(type: ICMPv6Header.neighborAdvertisement, parameter: flags).write(to: message)
        target.store(to: message + 8)
        var options = NDPOptionWriter(message, offset: NeighborAdvertisement.length, capacity: Self.lengthLimit)
        if let targetLinkLayerAddress {
            options.appendLinkLayerAddress(NDPOptions.targetLinkLayerAddress, targetLinkLayerAddress)
        }
        return options.length
    }
}

/// A checked view of a router solicitation (RFC 4861 §4.1).
@frozen
public struct RouterSolicitation: BitwiseCopyable {
    /// Bytes before the options.
    @inlinable public static var length: Int { 8 }

    /// The options.
    public let options: NDPOptions

    /// Parses a whole ICMPv6 message. Returns `nil` if the message is too short or of another type, or if its code is
    /// not zero or its options are malformed. The caller checks that the hop limit is 255.
    public init?(_ message: UnsafeRawBufferPointer) {
        guard message.count >= Self.length, message[0] == ICMPv6Header.routerSolicitation, message[1] == 0,
            let options = NDPOptions(UnsafeRawBufferPointer(rebasing: message[Self.length...]))
        else { return nil }
        self.options = options
    }

    /// The sender's ethernet address; absent if the sender has no IPv6 address yet.
    public var sourceLinkLayerAddress: MACAddress? {
        options.linkLayerAddress(NDPOptions.sourceLinkLayerAddress)
    }
}

/// The fields of a router advertisement before its options (RFC 4861 §4.2).
///
///     var options = RouterAdvertisementFields(routerLifetime: 1800).write(to: message, capacity: 512)
///     options.appendMTU(1500)
///     let length = options.length
public struct RouterAdvertisementFields: Equatable, Sendable {
    /// The hop limit that hosts should use; zero for unspecified.
    public var hopLimit: UInt8
    /// Addresses are available by DHCPv6.
    public var isManaged: Bool
    /// Other configuration is available by DHCPv6.
    public var hasOtherConfiguration: Bool
    /// The router lifetime in seconds; zero if the sender is not a default router.
    public var routerLifetime: UInt16
    /// The reachable time of neighbours in milliseconds; zero for unspecified.
    public var reachableTime: UInt32
    /// The retransmission interval of solicitations in milliseconds; zero for unspecified.
    public var retransmissionTime: UInt32

    /// An advertisement with these fields.
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

    /// Bytes before the options.
    public static var length: Int { 16 }

    /// Writes the sixteen bytes with a zero checksum and returns a writer for the options.
    ///
    /// - Precondition: `capacity`, the message's maximum length, is at least sixteen bytes.
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
