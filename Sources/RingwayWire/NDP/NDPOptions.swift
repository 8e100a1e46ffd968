public import RingwayModel

/// The options of a neighbour discovery message (RFC 4861 §4.6), parsed in place.
@frozen
public struct NDPOptions: BitwiseCopyable {
    /// Code: the sender's ethernet address.
    @inlinable public static var sourceLinkLayerAddress: UInt8 { 1 }
    /// Code: the target's ethernet address.
    @inlinable public static var targetLinkLayerAddress: UInt8 { 2 }
    /// Code: a prefix, and whether it is on the link and serves for SLAAC.
    @inlinable public static var prefixInformation: UInt8 { 3 }
    /// Code: the link's MTU.
    @inlinable public static var mtu: UInt8 { 5 }
    /// Code: DNS servers (RFC 8106 §5.1).
    @inlinable public static var recursiveDNSServer: UInt8 { 25 }
    /// Code: the DNS search list (RFC 8106 §5.2).
    @inlinable public static var domainSearchList: UInt8 { 31 }

    @usableFromInline let bytes: UnsafeRawBufferPointer

    /// Returns `nil` if an option exceeds the message or has zero length. In the latter case RFC 4861 §4.6 requires
    /// the message to be dropped.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while offset < bytes.count {
            guard bytes.count - offset >= 8, bytes[offset + 1] > 0, Int(bytes[offset + 1]) * 8 <= bytes.count - offset
            else { return nil }
            offset += Int(bytes[offset + 1]) * 8
        }
        self.bytes = bytes
    }

    /// The first option with this code, including its code and length bytes.
    public func option(_ code: UInt8) -> UnsafeRawBufferPointer? {
        var offset = 0
        while offset < bytes.count {
            let length = Int(bytes[offset + 1]) * 8
            if bytes[offset] == code { return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]) }
            offset += length
        }
        return nil
    }

    /// The ethernet address in the first option with this code.
    public func linkLayerAddress(_ code: UInt8) -> MACAddress? {
        guard let option = option(code), option.count == 8, let base = option.baseAddress else { return nil }
        return MACAddress(loadingFrom: base + 2)
    }
}

/// Appends options to a neighbour discovery message (RFC 4861 §4.6, RFC 8106 §5).
///
/// An option that does not fit is omitted, and `isOverfull` is set; the message stays well formed.
public struct NDPOptionWriter {
    private let message: UnsafeMutableRawPointer
    private let capacity: Int

    /// Bytes of the ICMPv6 message so far.
    public private(set) var length: Int

    /// Whether an option, or a name of the DNS search list, was omitted.
    public private(set) var isOverfull = false

    /// A writer that appends options after the first `offset` bytes of `message`, up to a length of `capacity` bytes.
    public init(_ message: UnsafeMutableRawPointer, offset: Int, capacity: Int) {
        self.message = message
        self.capacity = capacity
        length = offset
    }

    /// Appends an ethernet address; `code` is `sourceLinkLayerAddress` or `targetLinkLayerAddress` of `NDPOptions`.
    public mutating func appendLinkLayerAddress(_ code: UInt8, _ address: MACAddress) {
        guard let option = reserve(code, 8) else { return }
        address.store(to: option + 2)
    }

    /// Appends the link's MTU.
    public mutating func appendMTU(_ mtu: UInt32) {
        guard let option = reserve(NDPOptions.mtu, 8) else { return }
        option.store32(mtu, 4)
    }

    /// Appends a prefix. If `isOnLink`, hosts reach the prefix's addresses without a router; if `isAutonomous`, they
    /// generate addresses from the prefix (SLAAC). Lifetimes are in seconds; `UInt32.max` is infinite.
    public mutating func appendPrefix(
        _ prefix: IPv6Address, length prefixLength: UInt8 = 64, isOnLink: Bool = true, isAutonomous: Bool = true,
        validLifetime: UInt32, preferredLifetime: UInt32
    ) {
        guard let option = reserve(NDPOptions.prefixInformation, 32) else { return }
        option.store8(prefixLength, 2)
        option.store8((isOnLink ? 0x80 : 0) | (isAutonomous ? 0x40 : 0), 3)
        option.store32(validLifetime, 4)
        option.store32(preferredLifetime, 8)
        prefix.store(to: option + 16)
    }

    /// Appends DNS servers, valid for `lifetime` seconds, or nothing if `servers` is empty.
    public mutating func appendRecursiveDNSServers(_ servers: [IPv6Address], lifetime: UInt32) {
        guard !servers.isEmpty, let option = reserve(NDPOptions.recursiveDNSServer, 8 + 16 * servers.count) else {
            return
        }
        option.store32(lifetime, 4)
        for (index, server) in servers.enumerated() { server.store(to: option + (8 + 16 * index)) }
    }

    /// Appends the DNS search list, valid for `lifetime` seconds. Names that are invalid or do not fit are omitted;
    /// if no name is left, nothing is appended.
    public mutating func appendDomainSearchList(_ domains: [String], lifetime: UInt32) {
        let start = length + 8
        var end = start
        // The length of an option is a multiple of eight bytes, and at most 255 times eight.
        let limit = min((capacity - length) / 8, 255) * 8 + length
        for domain in domains {
            let room = UnsafeMutableRawBufferPointer(start: message + end, count: max(limit - end, 0))
            guard let count = DomainName.write(domain, to: room) else {
                isOverfull = true
                continue
            }
            end += count
        }
        guard end > start else { return }
        while (end - length) % 8 != 0 {
            message.store8(0, end)
            end += 1
        }
        message.store8(NDPOptions.domainSearchList, length)
        message.store8(UInt8(truncatingIfNeeded: (end - length) / 8), length + 1)
        message.store16(0, length + 2)
        message.store32(lifetime, length + 4)
        length = end
    }

    /// Reserves room for an option of `count` bytes: writes code and length, and clears the rest.
    private mutating func reserve(_ code: UInt8, _ count: Int) -> UnsafeMutableRawPointer? {
        guard count <= 255 * 8, length + count <= capacity else {
            isOverfull = true
            return nil
        }
        let option = message + length
        option.initializeMemory(as: UInt8.self, repeating: 0, count: count)
        option.store8(code, 0)
        option.store8(UInt8(truncatingIfNeeded: count / 8), 1)
        length += count
        return option
    }
}
