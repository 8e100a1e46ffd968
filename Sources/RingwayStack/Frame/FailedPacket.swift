public import RingwayModel
internal import RingwayWire

/// A guest's packet, rebuilt for quotation in an ICMP error. The original frame no longer exists when a socket
/// reports the error. Addresses and ports are known from the flow, and the host's kernel returns the payload
/// (`IP_RECVERR`).
///
/// The guest's kernel identifies the socket by the addresses and the first eight bytes of the transport header (RFC
/// 792, RFC 4443 §3.1). Of these bytes the ports, or the echo's identifier and sequence number, are always exact.
public struct FailedPacket: BitwiseCopyable {
    /// The guest that sent the packet.
    public let source: IPAddress
    /// The guest's destination.
    public let destination: IPAddress
    /// UDP, ICMP or ICMPv6.
    public let protocolNumber: UInt8
    /// The hop limit in the quoted packet: one, as at a router that reports time exceeded. The real value is not
    /// known.
    public var hopLimit: UInt8 = 1

    private let sourcePort: UInt16
    private let destinationPort: UInt16
    private let identifier: UInt16
    private let sequence: UInt16
    private let payload: UnsafeRawBufferPointer

    /// A UDP datagram; `nil` if the addresses are of different families or the payload is too long.
    ///
    /// - Parameter payload: the known part of the datagram's payload; must be valid until the error is written.
    public init?(udpFrom source: TransportAddress, to destination: TransportAddress, payload: UnsafeRawBufferPointer) {
        self.init(
            IPProtocol.udp, source.address, destination.address, ports: (source.port, destination.port), echo: (0, 0),
            payload)
    }

    /// An echo request; `nil` if the addresses are of different families or the data is too long.
    public init?(
        echoFrom source: IPAddress, to destination: IPAddress, identifier: UInt16, sequence: UInt16,
        payload: UnsafeRawBufferPointer
    ) {
        self.init(
            source.isIPv4 ? IPProtocol.icmp : IPProtocol.icmpv6, source, destination, ports: (0, 0),
            echo: (identifier, sequence), payload)
    }

    private init?(
        _ protocolNumber: UInt8, _ source: IPAddress, _ destination: IPAddress, ports: (UInt16, UInt16),
        echo: (UInt16, UInt16), _ payload: UnsafeRawBufferPointer
    ) {
        guard source.isIPv4 == destination.isIPv4, payload.count <= 65_535 - 28 else { return nil }
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.payload = payload
        (sourcePort, destinationPort) = ports
        (identifier, sequence) = echo
    }

    /// Bytes of the rebuilt packet.
    var packetLength: Int { ipHeaderLength + 8 + payload.count }

    private var ipHeaderLength: Int { PacketHeaders.ipLength(isIPv4: source.isIPv4) }

    /// Writes as much of the packet as fits `quote`. The buffer must have room for the IP header and eight bytes; 48
    /// bytes suffice.
    func write(to quote: UnsafeMutableRawBufferPointer) {
        guard let base = quote.baseAddress, quote.count >= ipHeaderLength + 8 else { return }
        let messageLength = 8 + payload.count
        PacketHeaders(
            from: source, to: destination, protocolNumber: protocolNumber, payloadLength: messageLength,
            hopLimit: hopLimit
        ).writeIP(to: base)
        writeTransport(to: base + ipHeaderLength, messageLength: messageLength)
        let room = min(payload.count, quote.count - ipHeaderLength - 8)
        guard room > 0, let start = payload.baseAddress else { return }
        (base + ipHeaderLength + 8).copyMemory(from: start, byteCount: room)
    }

    private func writeTransport(to header: UnsafeMutableRawPointer, messageLength: Int) {
        var sum: UInt64 = 0
        if protocolNumber != IPProtocol.icmp {
            sum = Checksum.pseudoHeader(
                source: source, destination: destination, protocolNumber: protocolNumber, length: messageLength)
        }
        if protocolNumber == IPProtocol.udp {
            UDPFields(sourcePort: sourcePort, destinationPort: destinationPort, payloadLength: payload.count)
                .write(to: header)
        } else {
            ICMPFields(
                type: source.isIPv4 ? ICMPv4Header.echoRequest : ICMPv6Header.echoRequest, identifier: identifier,
                sequence: sequence
            ).write(to: header)
        }
        sum = Checksum.partial(UnsafeRawBufferPointer(start: header, count: 8), initial: sum)
        sum = Checksum.partial(payload, initial: sum)
        let isUDP = protocolNumber == IPProtocol.udp
        header.storeBytes(
            of: isUDP ? Checksum.finishUDP(sum) : Checksum.finish(sum),
            toByteOffset: isUDP ? UDPHeader.checksumOffset : ICMPv4Header.checksumOffset, as: UInt16.self)
    }
}
