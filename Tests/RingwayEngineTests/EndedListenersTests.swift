import Glibc
import Testing

@testable import RingwayEngine

@Suite("Listeners that have ended")
struct EndedListenersTests {
    @Test func `come once every shard has given its own back`() {
        let ended = EndedListeners(shards: 2)
        ended.give([7, 8])
        ended.give([9])
        #expect(ended.take(within: 10_000) == [7, 8, 9])
    }

    @Test func `come as far as they are there when a shard does not reply`() {
        let ended = EndedListeners(shards: 2)
        ended.give([7])
        #expect(ended.take(within: 1) == [7])
    }

    @Test func `are closed when nobody waits for them any more`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        /// What the other end reads: nothing yet is -1, the end is 0.
        func read() -> Int {
            var octet: UInt8 = 0
            return recv(ends[1], &octet, 1, Int32(MSG_DONTWAIT))
        }
        var ended: EndedListeners? = EndedListeners(shards: 2)
        ended?.give([ends[0]])
        #expect(read() == -1)
        ended = nil
        // A program that another test starts may hold a copy for a moment.
        for _ in 0..<1_000 where read() != 0 { usleep(5_000) }
        #expect(read() == 0)
    }
}
