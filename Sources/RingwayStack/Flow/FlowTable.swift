public import RingwayStorage

/// Maps the keys of flows and of their peers to `Flow` references: open addressing with linear probing over memory
/// allocated once, at most seven eighths full.
///
/// The hash spreads keys over the whole table, so a few thousand flows touch all of its pages: the memory in use
/// depends on the table's size, not on the number of flows. The table is full only when all kinds of flows are at
/// their bounds, and even then the search for an absent key reads some thirty tags on average, which are two cache
/// lines.
///
/// A lookup usually reads one line of tags and one key. Removal shifts the following run back instead of leaving
/// tombstones, so that probes do not grow longer with the number of removals.
public struct FlowTable: ~Copyable {
    /// Zero for an empty slot; otherwise the low half of the hash with its lowest bit set.
    private let tags: UnsafeMutablePointer<UInt32>
    private let keys: UnsafeMutablePointer<FlowKey>
    private let references: UnsafeMutablePointer<Flow>
    private let mask: Int
    private let secret: UInt64
    public let capacity: Int
    public private(set) var count = 0

    /// Allocates an empty table.
    ///
    /// - Parameters:
    ///   - capacity: the most entries; `insert` returns `false` beyond it.
    ///   - secret: random per guest.
    public init(capacity: Int, secret: UInt64) throws(MemoryFailure) {
        precondition(capacity > 0 && capacity <= 1 << 24)
        var size = 16
        while size * 7 < capacity * 8 { size *= 2 }
        var blocks = MemoryBlocks()
        let tags = try blocks.apart(size, of: UInt32.self)
        let keys = try blocks.apart(size, of: FlowKey.self)
        let references = try blocks.apart(size, of: Flow.self)
        blocks.keep()
        tags.initialize(repeating: 0, count: size)
        self.capacity = capacity
        self.secret = secret
        mask = size - 1
        self.tags = tags
        self.keys = keys
        self.references = references
    }

    deinit {
        tags.deallocate()
        keys.deallocate()
        references.deallocate()
    }

    @inline(__always) private func tag(_ key: FlowKey) -> UInt32 {
        UInt32(truncatingIfNeeded: key.hash(secret: secret)) | 1
    }

    @inline(__always) private func home(_ tag: UInt32) -> Int { Int(tag >> 1) & mask }

    /// The reference stored for this key, or `nil`.
    @inline(__always)
    public func find(_ key: FlowKey) -> Flow? {
        let wanted = tag(key)
        var place = home(wanted)
        while true {
            let found = tags[place]
            if found == 0 { return nil }
            if found == wanted && keys[place] == key { return references[place] }
            place = (place &+ 1) & mask
        }
    }

    /// Inserts a key that is not in the table. Returns `false` if the table is full.
    public mutating func insert(_ key: FlowKey, _ reference: Flow) -> Bool {
        guard count < capacity else { return false }
        let wanted = tag(key)
        var place = home(wanted)
        while tags[place] != 0 { place = (place &+ 1) & mask }
        tags[place] = wanted
        (keys + place).initialize(to: key)
        (references + place).initialize(to: reference)
        count &+= 1
        return true
    }

    /// Removes a key; an absent key is ignored.
    public mutating func remove(_ key: FlowKey) {
        let wanted = tag(key)
        var hole = home(wanted)
        while true {
            let found = tags[hole]
            if found == 0 { return }
            if found == wanted && keys[hole] == key { break }
            hole = (hole &+ 1) & mask
        }
        count &-= 1
        var place = hole
        while true {
            place = (place &+ 1) & mask
            let found = tags[place]
            if found == 0 { break }
            // An entry moves to the hole unless its home slot lies after the hole and not after `place`, modulo the
            // table's size: a probe for that entry starts at its home slot and would not reach the hole.
            if (place &- home(found)) & mask >= (place &- hole) & mask {
                tags[hole] = found
                keys[hole] = keys[place]
                references[hole] = references[place]
                hole = place
            }
        }
        tags[hole] = 0
    }
}
