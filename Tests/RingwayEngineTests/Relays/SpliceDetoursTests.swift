import RingwayModel
import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Detours of spliced connections")
struct SpliceDetoursTests {
    private static let start: UInt64 = 1_000_000_000_000

    private static func server(_ port: UInt16) -> TransportAddress {
        TransportAddress(address: IPAddress(IPv4Address(192, 168, 127, 2)), port: port)
    }

    @Test func `are taken for long when no server has ever answered, and shortly when one had`() {
        var detours = MemoryFailure.trap { try SpliceDetours() }
        let server = Self.server(80)
        let may1 = detours.mayTry(server, now: Self.start)
        #expect(may1)
        detours.timedOut(server, now: Self.start)
        let may2 = detours.mayTry(server, now: Self.start + SpliceDetours.longDetour - 1)
        #expect(!may2)
        let may3 = detours.mayTry(server, now: Self.start + SpliceDetours.longDetour)
        #expect(may3)
        detours.answered(server)
        let may4 = detours.mayTry(server, now: Self.start)
        #expect(may4)
        detours.timedOut(server, now: Self.start)
        let may5 = detours.mayTry(server, now: Self.start + SpliceDetours.shortDetour - 1)
        #expect(!may5)
        let may6 = detours.mayTry(server, now: Self.start + SpliceDetours.shortDetour)
        #expect(may6)
        // It has not answered since.
        detours.timedOut(server, now: Self.start)
        let may7 = detours.mayTry(server, now: Self.start + SpliceDetours.shortDetour)
        #expect(!may7)
    }

    @Test func `of one server are not another's`() {
        var detours = MemoryFailure.trap { try SpliceDetours() }
        detours.timedOut(Self.server(80), now: Self.start)
        let others = (1...65_535).map { Self.server(UInt16($0)) }.filter { detours.mayTry($0, now: Self.start + 1) }
        #expect(others.count == 65_534)
    }
}
