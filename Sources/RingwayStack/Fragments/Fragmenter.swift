public import RingwayModel
internal import RingwayWire

/// Splits one transport datagram to a guest into fragments that fit the MTU (RFC 791 §3.2, RFC 8200 §4.5).
///
/// Each call of `next(into:)` writes one frame, and returns zero after the last one. A datagram that fits the MTU
/// comes out as one packet without fragmentation. The datagram is read in place and must stay valid until the last
/// frame is written. It includes the transport header with a complete checksum, because checksum offload does not
/// work across fragments.
///
///     var fragmenter = Fragmenter(datagram, from: source, to: guest, …)
///     while let frame = buffer(), case let length = fragmenter.next(into: frame), length > 0 { send(frame, length) }
public struct Fragmenter {
    /// The frame size that suffices for every fragment of this datagram.
    public let frameLength: Int
    /// The number of frames of this datagram.
    public let frameCount: Int

    private let datagram: UnsafeRawBufferPointer
    private let source: IPAddress
    private let destination: IPAddress
    private let protocolNumber: UInt8
    private let hopLimit: UInt8
    private let trafficClass: UInt8
    private let identification: UInt32
    private let sourceMAC: MACAddress
    private let destinationMAC: MACAddress
    /// Bytes of the datagram in every fragment but the last; a multiple of eight if there are several fragments.
    private let step: Int
    private var offset = 0
    private var isStarted = false

    /// Prepares to write the first frame. Returns `nil` for addresses of different families, for an MTU below 68
    /// bytes with IPv4 (RFC 791 §3.2) or 1,280 with IPv6, and for a datagram that is longer than IP permits (65,515
    /// bytes after an IPv4 header, 65,535 after an IPv6 header).
    ///
    /// - Parameters:
    ///   - datagram: the transport header and everything after it.
    ///   - source: the source address in the packets.
    ///   - destination: the guest's address.
    ///   - protocolNumber: one of `IPProtocol`.
    ///   - hopLimit: the hop limit of every fragment.
    ///   - trafficClass: the traffic class of every fragment.
    ///   - identification: distinguishes this datagram's fragments from those of other datagrams between the two
    ///     addresses; must not repeat soon and should not be predictable (RFC 7739). IPv4 uses the low 16 bits.
    ///   - mtu: the most bytes of an IP packet.
    ///   - sourceMAC: the gateway's ethernet address.
    ///   - destinationMAC: the guest's ethernet address.
    public init?(
        _ datagram: UnsafeRawBufferPointer, from source: IPAddress, to destination: IPAddress, protocolNumber: UInt8,
        hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, identification: UInt32, mtu: Int, sourceMAC: MACAddress,
        destinationMAC: MACAddress
    ) {
        guard source.isIPv4 == destination.isIPv4 else { return nil }
        let isIPv4 = source.isIPv4
        let headerLength = PacketHeaders.ipLength(isIPv4: isIPv4)
        guard mtu >= (isIPv4 ? 68 : NetworkPlan.minimumMTU) else { return nil }
        guard datagram.count <= (isIPv4 ? 65_535 - headerLength : 65_535) else { return nil }
        self.datagram = datagram
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.identification = identification
        self.sourceMAC = sourceMAC
        self.destinationMAC = destinationMAC
        if headerLength + datagram.count <= mtu {
            step = datagram.count
            frameCount = 1
            frameLength = EthernetHeader.length + headerLength + datagram.count
        } else {
            let fragmentHeaders = headerLength + (isIPv4 ? 0 : IPv6ExtensionHeaders.Fragment.headerLength)
            step = (mtu - fragmentHeaders) & ~7
            frameCount = (datagram.count + step - 1) / step
            frameLength = EthernetHeader.length + fragmentHeaders + step
        }
    }

    /// Whether the last frame has been written.
    public var isFinished: Bool { isStarted && offset == datagram.count }

    /// Writes the next ethernet frame, without virtio-net header.
    ///
    /// - Returns: the length of the frame in bytes; zero if all frames have been written (`isFinished`), or if `frame`
    ///   is too small. In the second case the call may be repeated with a larger buffer.
    public mutating func next(into frame: UnsafeMutableRawBufferPointer) -> Int {
        guard !isFinished else { return 0 }
        let count = min(step, datagram.count - offset)
        let place = IPv6ExtensionHeaders.Fragment(
            offset: offset, more: offset + count < datagram.count, identification: identification)
        let packet = PacketHeaders(
            from: source, to: destination, protocolNumber: protocolNumber, payloadLength: count, hopLimit: hopLimit,
            trafficClass: trafficClass, fragment: frameCount > 1 ? place : nil)
        guard let payload = packet.start(in: frame, from: sourceMAC, to: destinationMAC) else { return 0 }
        payload.copyMemory(from: UnsafeRawBufferPointer(rebasing: datagram[offset..<offset + count]))
        offset += count
        isStarted = true
        return packet.ethernetLength
    }
}
