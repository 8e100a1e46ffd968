/// Appends options to a DHCP message, behind the 240 octets that `DHCPFields` writes.
///
/// An option that does not fit is left out and remembered in `isOverfull`; the message stays well formed.
///
///     fields.write(to: message)
///     var options = DHCPOptionWriter(message, capacity: 576)
///     options.append(DHCPOption.messageType, DHCPMessageType.offer.rawValue)
///     let length = options.finish()
public struct DHCPOptionWriter {
    private let message: UnsafeMutableRawPointer
    private let capacity: Int
    private var offset = DHCPMessage.headerLength

    /// Whether an option had to be left out.
    public private(set) var isOverfull = false

    /// Octets that BOOTP relays and some clients insist on (RFC 1542 §2.1).
    public static var minimumLength: Int { 300 }

    /// Writes into a message of `capacity` octets, counted from its `op` field.
    ///
    /// - Precondition: `capacity` is at least `minimumLength`.
    public init(_ message: UnsafeMutableRawPointer, capacity: Int) {
        precondition(capacity >= Self.minimumLength)
        self.message = message
        self.capacity = capacity
    }

    /// Appends an option of one octet.
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

    /// Appends an option of several addresses, or nothing if there are none.
    public mutating func append(_ code: UInt8, _ addresses: [IPv4Address]) {
        guard !addresses.isEmpty, let target = reserve(code, addresses.count * 4) else { return }
        for (index, address) in addresses.enumerated() { address.store(to: target + index * 4) }
    }

    /// Appends an option of text, or nothing if it is empty.
    public mutating func append(_ code: UInt8, _ text: String) {
        let characters = text.utf8
        guard !characters.isEmpty, let target = reserve(code, characters.count) else { return }
        for (index, character) in characters.enumerated() { target.store8(character, index) }
    }

    /// Appends an option of any octets.
    public mutating func append(_ code: UInt8, _ bytes: UnsafeRawBufferPointer) {
        guard let target = reserve(code, bytes.count), let source = bytes.baseAddress else { return }
        target.copyMemory(from: source, byteCount: bytes.count)
    }

    /// Appends the domains to look names up in (RFC 3397, uncompressed), or nothing if none is a domain name. A name
    /// that does not fit any more is left out.
    public mutating func appendDomainSearch(_ domains: [String]) {
        // One octet stays free for the end mark.
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

    /// Writes the end mark, fills the message up to `minimumLength` with zeros, and returns its length in octets.
    public mutating func finish() -> Int {
        message.store8(DHCPOption.end, offset)
        offset += 1
        while offset < Self.minimumLength {
            message.store8(DHCPOption.pad, offset)
            offset += 1
        }
        return offset
    }

    /// Room for a value, behind its code and length; leaves one octet for the end mark.
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
