internal import RingwayStorage

/// Streams of a slab in a row, of which each is on one list at the most: the stream says on which.
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

    /// The slot of the stream that has been there longest, or `SlotList.none`.
    var first: UInt32 { slots.first }

    /// The slot behind `slot`, or `SlotList.none`.
    func next(after slot: UInt32) -> UInt32 { slots.next(after: slot) }

    /// Puts a stream that is on no list at the end.
    mutating func append(_ slot: UInt32) {
        let stream = streams + Int(slot)
        precondition(stream.pointee.place == .none, "a stream is on one list")
        stream.pointee.place = place
        slots.append(slot)
        count += 1
    }

    /// Takes a stream of this list off it.
    mutating func remove(_ slot: UInt32) {
        let stream = streams + Int(slot)
        precondition(stream.pointee.place == place, "a stream is taken off the list that it is on")
        slots.remove(slot)
        stream.pointee.place = .none
        count -= 1
    }
}
