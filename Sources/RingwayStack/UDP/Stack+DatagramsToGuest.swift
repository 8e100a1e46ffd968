internal import RingwayStorage
internal import RingwayWire

/// What a datagram's IP header says beside its addresses.
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

/// Building UDP frames toward the guest: whole, as a super-frame, cut into datagrams, or fragmented.
extension Stack {
    /// Whether several datagrams in one piece go out as one frame.
    public var takesTrains: Bool { configuration.segmentsUDP }

    /// Takes the lease.
    mutating func sendDatagram(
        to guest: TransportAddress, from sender: TransportAddress, _ lease: Lease, offset: Int, length: Int,
        segmentSize: Int, marks: DatagramMarks = DatagramMarks()
    ) {
        guard sender.address.isIPv4 == guest.address.isIPv4, offset >= Self.headroom else { return release(lease) }
        counters.add(.udpFromHost)
        let ipv4 = guest.address.isIPv4
        let most = pathMTUs.mtu(toward: guest.address, now: now) - (ipv4 ? 28 : 48)
        let isTrain = segmentSize > 0 && length > segmentSize
        if !isTrain, length <= most {
            return sendWholeDatagram(
                to: guest, from: sender, lease, offset: offset, length: length, segmentSize: 0, marks)
        }
        guard isTrain, segmentSize <= most else {
            if isTrain {
                sendSeparately(to: guest, from: sender, lease, offset: offset, length: length, segmentSize, marks)
            } else {
                sendFragments(to: guest, from: sender, lease, offset: offset, length: length, marks)
            }
            return
        }
        if configuration.segmentsUDP, length <= 65_535 - 48, length <= segmentSize * 64 {
            return sendWholeDatagram(
                to: guest, from: sender, lease, offset: offset, length: length, segmentSize: segmentSize, marks)
        }
        sendSeparately(to: guest, from: sender, lease, offset: offset, length: length, segmentSize, marks)
    }

    private mutating func sendWholeDatagram(
        to guest: TransportAddress, from sender: TransportAddress, _ lease: Lease, offset: Int, length: Int,
        segmentSize: Int, _ marks: DatagramMarks
    ) {
        let payload = space.address(of: lease) + offset
        let total = writeDatagramHeaders(
            before: payload, to: guest, from: sender, length: length, segmentSize: segmentSize, marks)
        writeFrame(lease, offset: offset - total, length: total + length)
    }

    /// One frame per datagram of a received train: the link takes no UDP super-frames.
    private mutating func sendSeparately(
        to guest: TransportAddress, from sender: TransportAddress, _ lease: Lease, offset: Int, length: Int,
        _ segmentSize: Int, _ marks: DatagramMarks
    ) {
        var position = 0
        while position < length {
            let size = min(segmentSize, length - position)
            let copy = leaseForFrame(octets: Self.headroom + size)
            guard !copy.isNone else { break }
            (space.address(of: copy) + Self.headroom).copyMemory(
                from: space.address(of: lease) + offset + position, byteCount: size)
            sendDatagram(
                to: guest, from: sender, copy, offset: Self.headroom, length: size, segmentSize: 0, marks: marks)
            position += size
        }
        release(lease)
    }

    /// Writes virtio-net, ethernet, IP and UDP headers that end where the payload starts; answers their octets.
    private mutating func writeDatagramHeaders(
        before payload: UnsafeMutableRawPointer, to guest: TransportAddress, from sender: TransportAddress,
        length: Int, segmentSize: Int, _ marks: DatagramMarks
    ) -> Int {
        let ipv4 = guest.address.isIPv4
        let ipLength = ipv4 ? 20 : 40
        let total = VirtioNetHeader.length + EthernetHeader.length + ipLength + UDPHeader.length
        let start = payload - total
        var virtio = VirtioNetFields()
        virtio.flags = VirtioNetHeader.needsChecksum
        virtio.checksumStart = UInt16(EthernetHeader.length + ipLength)
        virtio.checksumOffset = UInt16(UDPHeader.checksumOffset)
        if segmentSize > 0 {
            virtio.gsoType = VirtioNetHeader.gsoUDPL4
            virtio.gsoSize = UInt16(segmentSize)
            virtio.headerLength = UInt16(EthernetHeader.length + ipLength + UDPHeader.length)
        }
        virtio.write(to: start)
        let ethernet = start + VirtioNetHeader.length
        writeIPHeaders(
            at: ethernet, source: sender.address, destination: guest.address, protocolNumber: IPProtocol.udp,
            payloadLength: UDPHeader.length + length, hopLimit: marks.hopLimit, trafficClass: marks.trafficClass)
        let udp = ethernet + EthernetHeader.length + ipLength
        UDPFields(
            sourcePort: sender.port, destinationPort: guest.port, payloadLength: length
        ).write(to: udp)
        let pseudoHeader = Checksum.pseudoHeader(
            source: sender.address, destination: guest.address, protocolNumber: IPProtocol.udp,
            length: UDPHeader.length + length)
        udp.storeBytes(
            of: Checksum.fold(pseudoHeader), toByteOffset: UDPHeader.checksumOffset, as: UInt16.self)
        return total
    }

    /// Ethernet and IP headers of a frame to the guest.
    mutating func writeIPHeaders(
        at ethernet: UnsafeMutableRawPointer, source: IPAddress, destination: IPAddress, protocolNumber: UInt8,
        payloadLength: Int, hopLimit: UInt8, trafficClass: UInt8 = 0
    ) {
        let ipv4 = destination.isIPv4
        EthernetFields(
            destination: guestMAC, source: plan.gatewayMAC, etherType: ipv4 ? EtherType.ipv4 : EtherType.ipv6
        ).write(to: ethernet)
        let ip = ethernet + EthernetHeader.length
        if ipv4 {
            IPv4Fields(
                source: source.ipv4, destination: destination.ipv4, protocolNumber: protocolNumber,
                payloadLength: payloadLength, timeToLive: hopLimit, typeOfService: trafficClass
            ).write(to: ip)
        } else {
            IPv6Fields(
                source: source.ipv6, destination: destination.ipv6, nextHeader: protocolNumber,
                payloadLength: payloadLength, hopLimit: hopLimit, trafficClass: trafficClass
            ).write(to: ip)
        }
    }

    /// A datagram above the MTU goes out in fragments, its checksum made in software. Takes the lease.
    private mutating func sendFragments(
        to guest: TransportAddress, from sender: TransportAddress, _ lease: Lease, offset: Int, length: Int,
        _ marks: DatagramMarks
    ) {
        let udp = space.address(of: lease) + offset - UDPHeader.length
        UDPFields(
            sourcePort: sender.port, destinationPort: guest.port, payloadLength: length
        ).write(to: udp)
        let datagram = UnsafeMutableRawBufferPointer(start: udp, count: UDPHeader.length + length)
        let checksum = Checksum.transport(
            UnsafeRawBufferPointer(datagram), source: sender.address, destination: guest.address,
            protocolNumber: IPProtocol.udp)
        datagram.storeBytes(of: checksum, toByteOffset: UDPHeader.checksumOffset, as: UInt16.self)
        sendInFragments(
            UnsafeRawBufferPointer(datagram), from: sender.address, to: guest.address, IPProtocol.udp, marks)
        release(lease)
    }

    /// Cuts a transport datagram, checksum and all, into frames of the path's MTU.
    mutating func sendInFragments(
        _ datagram: UnsafeRawBufferPointer, from source: IPAddress, to destination: IPAddress,
        _ protocolNumber: UInt8, _ marks: DatagramMarks
    ) {
        identification = identification &* 0x9E37_79B1 &+ 0x85EB_CA77
        guard
            var fragmenter = Fragmenter(
                datagram, from: source, to: destination, protocolNumber: protocolNumber,
                hopLimit: marks.hopLimit, trafficClass: marks.trafficClass, identification: identification,
                mtu: pathMTUs.mtu(toward: destination, now: now), sourceMAC: plan.gatewayMAC, destinationMAC: guestMAC)
        else { return counters.add(.droppedFragment) }
        while !fragmenter.isFinished {
            guard let answer = prepareAnswer(limit: fragmenter.frameLength) else { return }
            let written = fragmenter.next(into: answer.room)
            sendAnswer(answer.lease, octets: written, .fragmentsToGuest)
            if written == 0 { return }
        }
    }
}
