internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// The hop limit and the traffic class in a datagram's IP header.
@frozen
public struct DatagramMarks: Equatable, Sendable, BitwiseCopyable {
    public var hopLimit: UInt8
    /// Differentiated services and ECN.
    public var trafficClass: UInt8

    @inlinable
    public init(hopLimit: UInt8 = 64, trafficClass: UInt8 = 0) {
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
    }
}

/// A buffer with the payload of one datagram, or of several datagrams in a row. Several datagrams have equal sizes,
/// except that the last may be shorter.
struct DatagramPayload {
    let lease: Lease
    let offset: Int
    let length: Int
    /// Payload bytes of each datagram but the last, if there are several; zero for a single datagram.
    let segmentSize: Int

    init(_ lease: Lease, offset: Int, length: Int, segmentSize: Int = 0) {
        self.lease = lease
        self.offset = offset
        self.length = length
        self.segmentSize = segmentSize
    }

    var isTrain: Bool { segmentSize > 0 && length > segmentSize }
}

/// Sends datagrams to the guest. A datagram is sent as one frame, or as IP fragments if it exceeds the path MTU. If
/// possible, several datagrams are sent as one super-frame with a UDP segment size (USO).
struct DatagramSender: ~Copyable {
    /// Path MTUs reported by routers behind the guest.
    private var pathMTUs: PathMTUCache
    /// The identification of the last fragmented datagram.
    private var identification: UInt32

    init(_ configuration: StackConfiguration) {
        pathMTUs = PathMTUCache(linkMTU: configuration.plan.mtu)
        let hash = SipHash(secret: configuration.secret, purpose: 0x9E37_79B9_7F4A_7C15).finish()
        identification = UInt32(truncatingIfNeeded: hash)
    }

    /// Records the path MTU to a guest's address, reported by a router behind the guest.
    mutating func note(mtu: Int, toward address: IPAddress, now: UInt64) {
        pathMTUs.note(mtu, toward: address, now: now)
    }

    /// Sends a UDP payload that has at least `Stack.headroom` bytes of room before it. Takes ownership of the lease.
    mutating func send(
        _ payload: DatagramPayload, from sender: TransportAddress, to guest: TransportAddress, _ marks: DatagramMarks,
        _ core: inout StackCore
    ) {
        guard sender.address.isIPv4 == guest.address.isIPv4, payload.offset >= Stack.headroom else {
            return core.release(payload.lease)
        }
        core.counters.add(.udpFromHost)
        let most = pathMTUs.mtu(toward: guest.address, now: core.now) - (guest.address.isIPv4 ? 28 : 48)
        if !payload.isTrain {
            if payload.length <= most { return sendWhole(payload, from: sender, to: guest, marks, &core) }
            return sendFragments(payload, from: sender, to: guest, marks, &core)
        }
        let isSuperFrame =
            payload.segmentSize <= most && core.configuration.segmentsUDP && payload.length <= 65_535 - 48
            && payload.length <= payload.segmentSize * 64
        if isSuperFrame { return sendWhole(payload, from: sender, to: guest, marks, &core) }
        sendSeparately(payload, from: sender, to: guest, marks, &core)
    }

    /// Sends the payload as one frame: a super-frame if it consists of several datagrams.
    private mutating func sendWhole(
        _ payload: DatagramPayload, from sender: TransportAddress, to guest: TransportAddress, _ marks: DatagramMarks,
        _ core: inout StackCore
    ) {
        let packet = PacketHeaders(
            from: sender.address, to: guest.address, protocolNumber: IPProtocol.udp,
            payloadLength: UDPHeader.length + payload.length, hopLimit: marks.hopLimit,
            trafficClass: marks.trafficClass)
        var segmentation = PacketHeaders.Segmentation()
        if payload.isTrain {
            segmentation = PacketHeaders.Segmentation(type: VirtioNetHeader.gsoUDPL4, size: payload.segmentSize)
        }
        let udp = core.space.address(of: payload.lease) + payload.offset - UDPHeader.length
        packet.writeFrame(
            before: udp, from: core.plan.gatewayMAC, to: core.guestMAC, checksumOffset: UDPHeader.checksumOffset,
            headerLength: UDPHeader.length, segmentation)
        UDPFields(sourcePort: sender.port, destinationPort: guest.port, payloadLength: payload.length).write(to: udp)
        packet.writePseudoHeader(at: udp + UDPHeader.checksumOffset)
        let headers = PacketHeaders.frameLength(isIPv4: packet.isIPv4) + UDPHeader.length
        core.writeFrame(payload.lease, offset: payload.offset - headers, length: headers + payload.length)
    }

    /// Sends several datagrams one by one, each from a buffer of its own, because they cannot be one super-frame: the
    /// link does not accept UDP super-frames, each datagram exceeds the path MTU, there are more than 64 of them, or
    /// they have more than 65,487 bytes together.
    private mutating func sendSeparately(
        _ payload: DatagramPayload, from sender: TransportAddress, to guest: TransportAddress, _ marks: DatagramMarks,
        _ core: inout StackCore
    ) {
        var position = 0
        while position < payload.length {
            let size = min(payload.segmentSize, payload.length - position)
            let copy = core.leaseForFrame(bytes: Stack.headroom + size)
            guard !copy.isNone else { break }
            (core.space.address(of: copy) + Stack.headroom).copyMemory(
                from: core.space.address(of: payload.lease) + payload.offset + position, byteCount: size)
            send(DatagramPayload(copy, offset: Stack.headroom, length: size), from: sender, to: guest, marks, &core)
            position += size
        }
        core.release(payload.lease)
    }

    /// Sends a datagram that exceeds the path MTU, with its checksum computed in software. Takes ownership of the
    /// lease.
    private mutating func sendFragments(
        _ payload: DatagramPayload, from sender: TransportAddress, to guest: TransportAddress, _ marks: DatagramMarks,
        _ core: inout StackCore
    ) {
        let udp = core.space.address(of: payload.lease) + payload.offset - UDPHeader.length
        UDPFields(sourcePort: sender.port, destinationPort: guest.port, payloadLength: payload.length).write(to: udp)
        let datagram = UnsafeMutableRawBufferPointer(start: udp, count: UDPHeader.length + payload.length)
        let checksum = Checksum.transport(
            UnsafeRawBufferPointer(datagram), source: sender.address, destination: guest.address,
            protocolNumber: IPProtocol.udp)
        datagram.storeBytes(of: checksum, toByteOffset: UDPHeader.checksumOffset, as: UInt16.self)
        sendInFragments(
            UnsafeRawBufferPointer(datagram), from: sender.address, to: guest.address, IPProtocol.udp, marks, &core)
        core.release(payload.lease)
    }

    /// Sends a transport datagram as fragments, or as one packet if it fits the path MTU. The datagram's checksum must
    /// be complete.
    mutating func sendInFragments(
        _ datagram: UnsafeRawBufferPointer, from source: IPAddress, to destination: IPAddress,
        _ protocolNumber: UInt8, _ marks: DatagramMarks, _ core: inout StackCore
    ) {
        identification = identification &* 0x9E37_79B1 &+ 0x85EB_CA77
        guard
            var fragmenter = Fragmenter(
                datagram, from: source, to: destination, protocolNumber: protocolNumber,
                hopLimit: marks.hopLimit, trafficClass: marks.trafficClass, identification: identification,
                mtu: pathMTUs.mtu(toward: destination, now: core.now), sourceMAC: core.plan.gatewayMAC,
                destinationMAC: core.guestMAC)
        else { return core.counters.add(.droppedFragment) }
        while !fragmenter.isFinished {
            guard let reply = core.prepareReply(limit: fragmenter.frameLength) else { return }
            let written = fragmenter.next(into: reply.room)
            core.sendReply(reply.lease, bytes: written, .fragmentsToGuest)
            if written == 0 { return }
        }
    }
}
