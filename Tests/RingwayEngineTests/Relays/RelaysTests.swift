import CRingway
import Glibc
import RingwayRing
import RingwayStack
import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Relays of a part", .tags(.kernel))
struct RelaysTests {
    @Test(arguments: BackEnd.here)
    func `count a new connection as used when it was opened, and list how long that is ago`(
        _ backEnd: BackEnd
    ) throws {
        let bench = try ComponentBench(backEnd)
        var relays = try Relays(index: 0, shared: bench.shared, counters: bench.counters)
        let near = try #require(Endpoint.pair(type: Int32(SOCK_STREAM.rawValue)))
        let far = try #require(Endpoint.pair(type: Int32(SOCK_STREAM.rawValue)))
        defer {
            close(near.other)
            close(far.other)
        }
        bench.shared.descriptors.take(2)
        let ends = ChannelEnds(client: nil, server: nil, route: 1, isOpenedByGuest: false)
        relays.join(client: near.own, channel: far.own, ends, &bench.core)
        let now = bench.core.now
        let idlest = relays.idlest()
        #expect(idlest?.usedAt == now)
        let memory = UnsafeMutableBufferPointer<FlowRecord>.allocate(capacity: 4)
        defer { memory.deallocate() }
        var cursor = FlowCursor()
        while cursor.table != .spliced { cursor.advance() }
        var writer = FlowRecordWriter(memory, visits: 16)
        relays.write(from: &cursor, to: &writer, now: now + 5)
        let count = writer.count
        try #require(count == 1)
        #expect(memory[0].idle == 5)
        relays.closeDescriptors(&bench.core)
    }
}
