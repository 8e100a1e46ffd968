public import RingwayModel

/// DHCP option codes (RFC 2132 unless noted).
public enum DHCPOption {
    /// Padding: one byte without a length.
    @inlinable public static var pad: UInt8 { 0 }
    /// The subnet's mask.
    @inlinable public static var subnetMask: UInt8 { 1 }
    /// Routers, in order of preference.
    @inlinable public static var router: UInt8 { 3 }
    /// Name servers, in order of preference.
    @inlinable public static var domainNameServer: UInt8 { 6 }
    /// The host name of the client.
    @inlinable public static var hostName: UInt8 { 12 }
    /// The client's domain.
    @inlinable public static var domainName: UInt8 { 15 }
    /// The link's MTU.
    @inlinable public static var interfaceMTU: UInt8 { 26 }
    /// The subnet's broadcast address.
    @inlinable public static var broadcastAddress: UInt8 { 28 }
    /// NTP servers.
    @inlinable public static var networkTimeServer: UInt8 { 42 }
    /// The address that the client requests.
    @inlinable public static var requestedAddress: UInt8 { 50 }
    /// The lease time, in seconds.
    @inlinable public static var leaseTime: UInt8 { 51 }
    /// The type of the message: one of `DHCPMessageType`.
    @inlinable public static var messageType: UInt8 { 53 }
    /// The address of the server that replies, or of the server for which the client's message is meant.
    @inlinable public static var serverIdentifier: UInt8 { 54 }
    /// Codes of the options that the client asks for.
    @inlinable public static var parameterRequestList: UInt8 { 55 }
    /// Why a request was refused.
    @inlinable public static var message: UInt8 { 56 }
    /// The longest message that the client accepts, in bytes.
    @inlinable public static var maximumMessageSize: UInt8 { 57 }
    /// Seconds until the client renews its lease (T1).
    @inlinable public static var renewalTime: UInt8 { 58 }
    /// Seconds until the client asks any server to extend its lease (T2).
    @inlinable public static var rebindingTime: UInt8 { 59 }
    /// The client identifier, which takes precedence over the hardware address.
    @inlinable public static var clientIdentifier: UInt8 { 61 }
    /// Rapid commit: the server replies to a discover with an acknowledgement instead of an offer (RFC 4039).
    @inlinable public static var rapidCommit: UInt8 { 80 }
    /// Seconds for which the client should disable IPv4 (RFC 8925).
    @inlinable public static var ipv6OnlyPreferred: UInt8 { 108 }
    /// The domain search list (RFC 3397).
    @inlinable public static var domainSearch: UInt8 { 119 }
    /// Classless static routes (RFC 3442).
    @inlinable public static var classlessStaticRoutes: UInt8 { 121 }
    /// One byte without a length, after the last option.
    @inlinable public static var end: UInt8 { 255 }
}

/// Appends options to a DHCP message, after the 240 bytes that `DHCPFields` writes.
///
/// An option that does not fit is omitted, and `isOverfull` is set; the message stays well formed.
///
///     fields.write(to: message)
///     var options = DHCPOptionWriter(message, capacity: 576)
///     options.append(DHCPOption.messageType, DHCPMessageType.offer.rawValue)
///     let length = options.finish()
public struct DHCPOptionWriter {
    private let message: UnsafeMutableRawPointer
    private let capacity: Int
    private var offset = DHCPMessage.headerLength

    /// Whether an option, or a name of the domain search list, was omitted.
    public private(set) var isOverfull = false

    /// The minimum length required by BOOTP relays and some clients (RFC 1542 §2.1).
    public static var minimumLength: Int { 300 }

    /// Writes into a message of `capacity` bytes, counted from its `op` field.
    ///
    /// - Precondition: `capacity` is at least `minimumLength`.
    public init(_ message: UnsafeMutableRawPointer, capacity: Int) {
        precondition(capacity >= Self.minimumLength)
        self.message = message
        self.capacity = capacity
    }

    /// Appends an option of one byte.
    public mutating func append(_ code: UInt8, _ value: UInt8) {
        guard let target = reserve(code, 1) else { return }
        target.store8(value, 0)
    }

    /// Appends an option of a 16-bit integer.
    public mutating func append(_ code: UInt8, _ value: UInt16) {
        guard let target = reserve(code, 2) else { return }
        target.store16(value, 0)
    }

    /// Appends an option of a 32-bit integer, such as a time in seconds.
    public mutating func append(_ code: UInt8, _ value: UInt32) {
        guard let target = reserve(code, 4) else { return }
        target.store32(value, 0)
    }

    /// Appends an option of one address.
    public mutating func append(_ code: UInt8, _ address: IPv4Address) {
        append(code, address.rawValue)
    }

    /// Appends an option of several addresses, or nothing if `addresses` is empty.
    public mutating func append(_ code: UInt8, _ addresses: [IPv4Address]) {
        guard !addresses.isEmpty, let target = reserve(code, addresses.count * 4) else { return }
        for (index, address) in addresses.enumerated() { address.store(to: target + index * 4) }
    }

    /// Appends an option of text, or nothing if the text is empty.
    public mutating func append(_ code: UInt8, _ text: String) {
        let characters = text.utf8
        guard !characters.isEmpty, let target = reserve(code, characters.count) else { return }
        for (index, character) in characters.enumerated() { target.store8(character, index) }
    }

    /// Appends an option of any bytes.
    public mutating func append(_ code: UInt8, _ bytes: UnsafeRawBufferPointer) {
        guard let target = reserve(code, bytes.count), let source = bytes.baseAddress else { return }
        target.copyMemory(from: source, byteCount: bytes.count)
    }

    /// Appends the domain search list (RFC 3397, uncompressed). Names that are invalid or do not fit are omitted; if
    /// no name is left, nothing is appended.
    public mutating func appendDomainSearch(_ domains: [String]) {
        // One byte stays free for the end option.
        let start = offset + 2
        let limit = min(start + 255, capacity - 1)
        guard start <= limit else {
            isOverfull = true
            return
        }
        var end = start
        for domain in domains {
            let room = UnsafeMutableRawBufferPointer(start: message + end, count: limit - end)
            guard let length = DomainName.write(domain, to: room) else {
                isOverfull = true
                continue
            }
            end += length
        }
        guard end > start else { return }
        message.store8(DHCPOption.domainSearch, offset)
        message.store8(UInt8(truncatingIfNeeded: end - start), offset + 1)
        offset = end
    }

    /// Writes the end option, pads the message with zeros to `minimumLength`, and returns its length in bytes.
    public mutating func finish() -> Int {
        message.store8(DHCPOption.end, offset)
        offset += 1
        while offset < Self.minimumLength {
            message.store8(DHCPOption.pad, offset)
            offset += 1
        }
        return offset
    }

    /// Writes the code and length of an option, and returns where its value belongs. Returns `nil` if the option and
    /// one byte for the end option do not fit.
    private mutating func reserve(_ code: UInt8, _ length: Int) -> UnsafeMutableRawPointer? {
        guard length <= 255, offset + 2 + length < capacity else {
            isOverfull = true
            return nil
        }
        message.store8(code, offset)
        message.store8(UInt8(truncatingIfNeeded: length), offset + 1)
        let value = message + (offset + 2)
        offset += 2 + length
        return value
    }
}
