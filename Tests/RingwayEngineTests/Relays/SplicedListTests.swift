import RingwayModel
import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Lists of spliced streams")
struct SplicedListTests {
    private static let peer = TransportAddress(address: IPAddress(high: 0, low: 1), port: 1)

    /// A slab with this many streams.
    private static func streams(_ count: Int) -> Slab<SplicedStream> {
        var slab = MemoryFailure.trap { try Slab<SplicedStream>(capacity: count) }
        for _ in 0..<count {
            _ = slab.insert(
                SplicedStream(client: -1, address: peer, server: peer, now: 0))
        }
        return slab
    }

    /// The list's members, in order.
    private static func members(_ list: SplicedList, _ slab: borrowing Slab<SplicedStream>) -> [UInt32] {
        var members: [UInt32] = []
        var slot = list.first
        while slab.pointer(inSlot: slot) != nil {
            members.append(slot)
            slot = list.next(after: slot)
        }
        return members
    }

    @Test func `keep the order in which streams came`() {
        let slab = Self.streams(3)
        var list = SplicedList(.running, of: slab.base)
        for slot: UInt32 in [2, 0, 1] { list.append(slot) }
        #expect(Self.members(list, slab) == [2, 0, 1])
    }

    @Test(arguments: [0, 1, 2] as [UInt32])
    func `lose any member and keep the others`(gone: UInt32) {
        let slab = Self.streams(3)
        var list = SplicedList(.running, of: slab.base)
        for slot: UInt32 in 0..<3 { list.append(slot) }
        list.remove(gone)
        #expect(Self.members(list, slab) == [0, 1, 2].filter { $0 != gone })
        list.append(gone)
        #expect(Self.members(list, slab).last == gone)
    }

    @Test func `have the member last that is moved to the end`() {
        let slab = Self.streams(3)
        var list = SplicedList(.opening, of: slab.base)
        for slot: UInt32 in 0..<3 { list.append(slot) }
        for slot: UInt32 in [0, 2, 2] { list.moveToEnd(slot) }
        #expect(Self.members(list, slab) == [1, 0, 2])
        #expect(list.count == 3)
    }

    @Test func `are empty when their last member has gone`() {
        let slab = Self.streams(1)
        var list = SplicedList(.opening, of: slab.base)
        list.append(0)
        list.remove(0)
        #expect(list.count == 0 && list.first == SlotList.none)
        #expect(slab.pointer(inSlot: 0)?.pointee.place == SplicedStream.Place.none)
    }
}
