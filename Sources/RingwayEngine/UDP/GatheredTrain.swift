internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// Consecutive datagrams from one sender to one mapping, gathered in the buffer of the first and sent to the guest as
/// one frame of up to 64 KiB (USO).
struct GatheredTrain {
    private(set) var lease = Lease.none
    private(set) var mapping = Handle(slot: .max, generation: 0)
    private(set) var sender = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    private(set) var offset = 0
    private(set) var length = 0
    private(set) var marks = DatagramMarks()
    /// Bytes of the first datagram. Each later one except the last has the same length.
    private var size = 0

    init() {}

    /// Takes ownership of the lease.
    init(_ first: ReceivedDatagram, _ marks: DatagramMarks, _ lease: Lease, for mapping: Handle) {
        self.lease = lease
        self.mapping = mapping
        sender = first.sender
        offset = first.offset
        length = first.length
        self.marks = marks
        size = first.length
    }

    var isEmpty: Bool { lease.isNone }

    /// Bytes of each datagram except the last; zero if there is only one datagram.
    var segmentSize: Int { length > size ? size : 0 }

    /// Copies a datagram to the end of the train if the train can take it; otherwise returns false.
    @inline(__always)
    mutating func join(
        _ datagram: ReceivedDatagram, _ marks: DatagramMarks, _ other: Lease, for mapping: Handle, _ space: BufferSpace
    ) -> Bool {
        guard datagram.segmentSize == 0, datagram.length > 0, datagram.length <= size, self.mapping == mapping,
            sender == datagram.sender, self.marks == marks, length.isMultiple(of: size),
            length + datagram.length
                <= min(size * SendMessage.trainLimit, SendMessage.trainBytes, space.size(of: lease) - offset)
        else { return false }
        (space.address(of: lease) + offset + length).copyMemory(
            from: space.address(of: other) + datagram.offset, byteCount: datagram.length)
        length += datagram.length
        return true
    }
}
