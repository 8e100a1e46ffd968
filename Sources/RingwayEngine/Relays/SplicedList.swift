internal import RingwayStorage

/// A linked list of streams in a slab. A stream stores the links of one list, so it is on at most one.
struct SplicedList {
    private(set) var count = 0
    private let place: SplicedStream.Place
    private let streams: UnsafeMutablePointer<SplicedStream>
    private var slots: SlotList

    /// - Parameter streams: the slab's first element.
    init(_ place: SplicedStream.Place, of streams: UnsafeMutablePointer<SplicedStream>) {
        self.place = place
        self.streams = streams
        slots = SlotList(of: streams, offset: MemoryLayout<SplicedStream>.offset(of: \.links))
    }

    /// The slot of the stream at the front, or `SlotList.none`.
    var first: UInt32 { slots.first }

    /// The slot after `slot`, or `SlotList.none`.
    func next(after slot: UInt32) -> UInt32 { slots.next(after: slot) }

    /// Appends a stream that is on no list.
    mutating func append(_ slot: UInt32) {
        let stream = streams + Int(slot)
        precondition(stream.pointee.place == .none, "a stream is on one list")
        stream.pointee.place = place
        slots.append(slot)
        count += 1
    }

    /// Moves a stream of this list to its end.
    mutating func moveToEnd(_ slot: UInt32) {
        precondition(streams[Int(slot)].place == place, "a stream is moved on the list that it is on")
        slots.moveToEnd(slot)
    }

    /// Removes a stream of this list.
    mutating func remove(_ slot: UInt32) {
        let stream = streams + Int(slot)
        precondition(stream.pointee.place == place, "a stream is taken off the list that it is on")
        slots.remove(slot)
        stream.pointee.place = .none
        count -= 1
    }
}
