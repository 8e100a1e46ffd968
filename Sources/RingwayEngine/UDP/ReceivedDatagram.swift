internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayStack
internal import RingwayStorage

/// A received datagram's place in its buffer, and its control data.
struct ReceivedDatagram {
    var sender: TransportAddress
    /// In bytes, from the start of the buffer.
    var offset: Int
    var length: Int
    var notes: ringway_datagram_notes
    /// Bytes of each datagram except the last, if the kernel joined several (GRO); zero for a single datagram.
    var segmentSize: Int { Int(notes.segment_size) }
    /// The header fields to pass to the guest, or `nil` if the socket does not report them. A hop limit of zero is
    /// raised to 1.
    var reportedMarks: DatagramMarks? {
        notes.hop_limit < 0
            ? nil
            : DatagramMarks(
                hopLimit: UInt8(clamping: max(1, notes.hop_limit)),
                trafficClass: notes.traffic_class < 0 ? 0 : UInt8(truncatingIfNeeded: notes.traffic_class))
    }

    /// The host's address that the datagram was sent to, if the socket reports it.
    var local: IPAddress? {
        notes.has_local ? IPAddress(high: notes.local_high, low: notes.local_low) : nil
    }

    private init(_ sender: TransportAddress, offset: Int, length: Int, _ notes: ringway_datagram_notes) {
        self.sender = sender
        self.offset = offset
        self.length = length
        self.notes = notes
    }

    /// Parses the data that the kernel wrote before the payload (io_uring_recvmsg_multishot(3)); every length is
    /// checked.
    ///
    /// - Parameter bytes: a completion's result.
    /// - Returns: `nil` if the buffer holds no complete datagram from an IPv4 or IPv6 address. The caller still owns
    ///   the buffer.
    static func read(_ lease: Lease, bytes: Int, _ core: inout ShardCore) -> ReceivedDatagram? {
        let prologue = MemoryLayout<io_uring_recvmsg_out>.size
        let payloadOffset = prologue + Int(ShardCore.nameRoom) + ShardCore.controlRoom
        guard bytes >= payloadOffset else { return nil }
        let headroom = core.receiveBuffers.headroom
        let start = core.space.address(of: lease) + headroom
        let header = start.loadUnaligned(as: io_uring_recvmsg_out.self)
        guard header.flags & UInt32(MSG_TRUNC) == 0, header.namelen <= ShardCore.nameRoom,
            Int(header.controllen) <= ShardCore.controlRoom
        else {
            core.counters.add(.droppedUnsupported)
            return nil
        }
        guard let sender = SocketAddress.read(start + prologue, length: header.namelen) else { return nil }
        var notes = ringway_datagram_notes()
        ringway_read_datagram_control(start + prologue + Int(ShardCore.nameRoom), header.controllen, &notes)
        return ReceivedDatagram(
            sender, offset: headroom + payloadOffset, length: bytes - payloadOffset, notes)
    }
}
