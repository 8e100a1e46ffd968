internal import RingwayModel
internal import RingwayWire

/// Writes ethernet and IP headers to a caller's buffer and returns the rest of the buffer for the payload.
///
/// Every function returns `nil` if the whole frame does not fit, so callers need no length check of their own.
enum EthernetFrame {
    static var headerLength: Int { EthernetHeader.length }
    static var ipv4Length: Int { IPv4Header.minimumLength }
    static var ipv6Length: Int { IPv6Header.length }

    /// Writes the ethernet header; returns the `length` bytes behind it.
    static func start(
        in frame: UnsafeMutableRawBufferPointer, from source: MACAddress, to destination: MACAddress,
        etherType: UInt16, length: Int
    ) -> UnsafeMutableRawBufferPointer? {
        guard let base = frame.baseAddress, length >= 0, frame.count >= headerLength + length else { return nil }
        EthernetFields(destination: destination, source: source, etherType: etherType).write(to: base)
        return UnsafeMutableRawBufferPointer(start: base + headerLength, count: length)
    }

    /// Writes the ethernet and IP headers of a packet of either family; returns the space for the payload.
    static func start(
        _ packet: PacketHeaders, in frame: UnsafeMutableRawBufferPointer, from source: MACAddress,
        to destination: MACAddress
    ) -> UnsafeMutableRawBufferPointer? {
        let headers = EthernetHeader.length + packet.ipLength
        guard let base = frame.baseAddress, frame.count >= headers + packet.payloadLength else { return nil }
        packet.writeEthernet(to: base, from: source, to: destination)
        return UnsafeMutableRawBufferPointer(start: base + headers, count: packet.payloadLength)
    }

    /// Writes the ethernet and IPv4 headers; returns the space for the payload.
    static func startIPv4(
        in frame: UnsafeMutableRawBufferPointer, from source: MACAddress, to destination: MACAddress,
        _ fields: IPv4Fields
    ) -> UnsafeMutableRawBufferPointer? {
        let packet = start(
            in: frame, from: source, to: destination, etherType: EtherType.ipv4,
            length: ipv4Length + Int(fields.payloadLength))
        guard let packet, let base = packet.baseAddress else { return nil }
        fields.write(to: base)
        return UnsafeMutableRawBufferPointer(rebasing: packet[ipv4Length...])
    }

    /// Writes the ethernet and IPv6 headers; returns the space for the payload.
    static func startIPv6(
        in frame: UnsafeMutableRawBufferPointer, from source: MACAddress, to destination: MACAddress,
        _ fields: IPv6Fields
    ) -> UnsafeMutableRawBufferPointer? {
        let packet = start(
            in: frame, from: source, to: destination, etherType: EtherType.ipv6,
            length: ipv6Length + Int(fields.payloadLength))
        guard let packet, let base = packet.baseAddress else { return nil }
        fields.write(to: base)
        return UnsafeMutableRawBufferPointer(rebasing: packet[ipv6Length...])
    }

    /// Writes the checksum of an ICMPv6 message that is otherwise complete; the checksum field must be zero.
    static func sealICMPv6(
        _ message: UnsafeMutableRawBufferPointer, source: IPv6Address, destination: IPv6Address
    ) {
        let checksum = Checksum.transport(
            UnsafeRawBufferPointer(message), source: IPAddress(source), destination: IPAddress(destination),
            protocolNumber: IPProtocol.icmpv6)
        message.storeBytes(of: checksum, toByteOffset: ICMPv6Header.checksumOffset, as: UInt16.self)
    }

    /// Writes the checksum of an ICMPv4 message, which has no pseudo-header.
    static func sealICMPv4(_ message: UnsafeMutableRawBufferPointer) {
        let checksum = Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(message)))
        message.storeBytes(of: checksum, toByteOffset: ICMPv4Header.checksumOffset, as: UInt16.self)
    }
}
