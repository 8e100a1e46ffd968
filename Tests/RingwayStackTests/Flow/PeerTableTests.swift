import RingwayModel
import RingwayStorage
import TestSupport
import Testing

@testable import RingwayStack

@Suite("Peers of mappings")
struct PeerTableTests {
    /// The table of peers with the table of flows beside it, as a stack has both.
    private final class Bench {
        var table = MemoryFailure.trap { try FlowTable(capacity: 256, secret: 0x5EED) }
        var peers: PeerTable

        init(capacity: Int, owners: Int) {
            peers = MemoryFailure.trap { try PeerTable(capacity: capacity, owners: owners) }
            for owner in 0..<UInt32(owners) { peers.open(owner) }
        }

        private func key(_ peer: Int, of owner: UInt32) -> FlowKey {
            let guest = FlowKey(
                guest: IPAddress(IPv4Address(192, 168, 127, 2)), guestPort: UInt16(5_000 + owner), transport: .udp)
            return guest.peer(IPAddress(IPv4Address(rawValue: 0x0A00_0000 + UInt32(peer))), port: 0)
        }

        @discardableResult
        func note(_ peer: Int, of owner: UInt32) -> Bool { peers.note(key(peer, of: owner), of: owner, in: &table) }

        func contains(_ peer: Int, of owner: UInt32) -> Bool { peers.contains(key(peer, of: owner), in: table) }

        func close(_ owner: UInt32) {
            peers.close(owner, in: &table)
            peers.open(owner)
        }
    }

    @Test func `a peer is one owner's and no other's`() {
        let bench = Bench(capacity: 16, owners: 2)
        #expect(!bench.note(1, of: 0))
        #expect(bench.contains(1, of: 0))
        #expect(!bench.contains(1, of: 1))
        #expect(!bench.contains(2, of: 0))
    }

    @Test func `a peer that is noted again is there once`() {
        let bench = Bench(capacity: 16, owners: 1)
        for _ in 0..<100 { bench.note(1, of: 0) }
        #expect(bench.peers.count == 1)
        #expect(bench.table.count == 1)
    }

    @Test func `without room the one that was noted longest ago gives way`() {
        let bench = Bench(capacity: 4, owners: 1)
        for peer in 1...4 { bench.note(peer, of: 0) }
        // Recorded again, so the second is the oldest.
        bench.note(1, of: 0)
        #expect(bench.note(5, of: 0))
        #expect([1, 3, 4, 5].allSatisfy { bench.contains($0, of: 0) })
        #expect(!bench.contains(2, of: 0))
        #expect(bench.table.count == 4)
    }

    @Test func `an owner with many loses its own, and an owner with few keeps all`() {
        let bench = Bench(capacity: 32, owners: 3)
        for peer in 1...3 { bench.note(peer, of: 0) }
        for peer in 1...500 { bench.note(peer, of: 1) }
        for peer in 1...3 { bench.note(peer, of: 2) }
        #expect((1...3).allSatisfy { bench.contains($0, of: 0) && bench.contains($0, of: 2) })
        #expect(bench.peers.count(of: 1) == 26)
        #expect((475...500).allSatisfy { bench.contains($0, of: 1) })
    }

    @Test func `with an owner its peers go, and their places are free`() {
        let bench = Bench(capacity: 8, owners: 2)
        for peer in 1...6 { bench.note(peer, of: 0) }
        for peer in 1...2 { bench.note(peer, of: 1) }
        bench.close(0)
        #expect(bench.table.count == 2)
        #expect(!bench.contains(1, of: 0))
        for peer in 3...8 { #expect(!bench.note(peer, of: 1)) }
        #expect(bench.note(9, of: 1))
        bench.close(1)
        #expect(bench.table.count == 0)
        #expect(bench.peers.count == 0)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `whatever is done, lists and tables agree, and only an owner with at least half of the most loses one`(
        _ seed: UInt64
    ) {
        let bench = Bench(capacity: 64, owners: 8)
        var noise = SeededNoise(seed: seed)
        var known = [Set<Int>](repeating: [], count: 8)
        for _ in 0..<20_000 {
            let owner = UInt32(truncatingIfNeeded: noise.next()) & 7
            if noise.next() % 200 == 0 {
                bench.close(owner)
                known[Int(owner)] = []
                continue
            }
            let peer = Int(noise.next() % (owner < 2 ? 400 : 6))
            let most = known.map(\.count).max() ?? 0
            bench.note(peer, of: owner)
            known[Int(owner)].insert(peer)
            for other in 0..<8 {
                let lost = known[other].filter { !bench.contains($0, of: UInt32(other)) }
                #expect(lost.isEmpty || known[other].count * 2 > most, "owner \(other) of \(known[other].count)")
                known[other].subtract(lost)
                #expect(bench.peers.count(of: UInt32(other)) == known[other].count)
            }
            #expect(bench.peers.count == bench.table.count)
        }
    }
}
