/// A list of streams of a slab: each stream is on at most one list, and the links are stored in the streams.
struct SplicedList {
    private(set) var first: UInt32 = .max
    private var last: UInt32 = .max
    private(set) var count = 0
    private let place: SplicedStream.Place
    private let streams: UnsafeMutablePointer<SplicedStream>

    /// - Parameter streams: the slab's first element.
    init(_ place: SplicedStream.Place, of streams: UnsafeMutablePointer<SplicedStream>) {
        self.place = place
        self.streams = streams
    }

    /// Puts a stream that is on no list at the end.
    mutating func append(_ slot: UInt32) {
        let stream = streams + Int(slot)
        precondition(stream.pointee.place == .none, "a stream is on one list")
        stream.pointee.place = place
        stream.pointee.previous = last
        stream.pointee.next = .max
        if last == .max { first = slot } else { (streams + Int(last)).pointee.next = slot }
        last = slot
        count += 1
    }

    /// Takes a stream of this list off it.
    mutating func remove(_ slot: UInt32) {
        let stream = streams + Int(slot)
        precondition(stream.pointee.place == place, "a stream is taken off the list that it is on")
        let (previous, next) = (stream.pointee.previous, stream.pointee.next)
        if previous == .max { first = next } else { (streams + Int(previous)).pointee.next = next }
        if next == .max { last = previous } else { (streams + Int(next)).pointee.previous = previous }
        stream.pointee.place = .none
        count -= 1
    }
}
