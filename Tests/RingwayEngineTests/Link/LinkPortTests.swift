import CRingway
import Glibc
import RingwayLinks
import RingwayReactor
import RingwayRing
import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayEngine

/// A link's port alone: frames in, frames out, and the end.
@Suite("Link port", .tags(.kernel))
struct LinkPortTests {
    private static func pair(_ type: __socket_type) throws -> (own: Int32, other: Int32) {
        try #require(Endpoint.pair(type: Int32(type.rawValue)))
    }

    private static let frame = [UInt8](repeating: 0, count: VirtioNetHeader.length) + [UInt8](1...60)

    @Test(arguments: BackEnd.here) func `returns each frame of a device in its buffer`(_ backEnd: BackEnd) throws {
        let pair = try Self.pair(SOCK_SEQPACKET)
        defer { close(pair.other) }
        let bench = try ComponentBench(backEnd, link: pair.own)
        var link = try bench.takeLink()
        link.refill(&bench.core)
        for _ in 0..<3 {
            HostSockets.send(Self.frame, to: pair.other)
            let completion = try #require(bench.completion())
            #expect(completion.tag.owner == .link)
            let received = link.complete(completion, &bench.core)
            let frame = try #require(received)
            #expect(bench.bytes(frame.lease, frame.length) == Self.frame)
            bench.release(frame.lease)
            let next = link.nextFrame(&bench.core)
            #expect(next == nil, "a device brings one frame at a time")
            link.refill(&bench.core)
        }
        link.closeDescriptors()
    }

    @Test(arguments: BackEnd.here) func `cuts many frames out of one receive`(_ backEnd: BackEnd) throws {
        let pair = try Self.pair(SOCK_STREAM)
        defer { close(pair.other) }
        let bench = try ComponentBench(backEnd, link: pair.own, .stream(.agent))
        var link = try bench.takeLink()
        let early = link.nextFrame(&bench.core)
        #expect(early == nil, "nothing has come yet")
        let length = UInt8(Self.frame.count)
        HostSockets.send([length, 0, 0, 0] + Self.frame + [length, 0, 0, 0] + Self.frame, to: pair.other)
        let completion = try #require(bench.completion())
        var next = link.complete(completion, &bench.core)
        var count = 0
        while let frame = next {
            #expect(bench.bytes(frame.lease, frame.length) == Self.frame)
            bench.release(frame.lease)
            count += 1
            next = link.nextFrame(&bench.core)
        }
        #expect(count == 2)
        link.closeDescriptors()
    }

    @Test(arguments: BackEnd.here) func `writes a frame and gives its buffers back`(_ backEnd: BackEnd) throws {
        let pair = try Self.pair(SOCK_SEQPACKET)
        defer { close(pair.other) }
        let bench = try ComponentBench(backEnd, link: pair.own)
        var link = try bench.takeLink()
        let before = bench.leased
        let head = bench.lease(Self.frame)
        let payload = bench.lease([7, 7, 7], at: 100)
        link.write(
            OutgoingFrame(
                head, offset: 0, length: UInt32(Self.frame.count), payload: payload, payloadOffset: 100,
                payloadLength: 3), &bench.core)
        let completion = try #require(bench.completion())
        let received = link.complete(completion, &bench.core)
        #expect(received == nil)
        #expect(HostSockets.receive(pair.other).bytes == Self.frame + [7, 7, 7])
        #expect(bench.leased == before)
        link.closeDescriptors()
    }

    @Test(arguments: BackEnd.here) func `is congested while the guest reads nothing`(_ backEnd: BackEnd) throws {
        let pair = try Self.pair(SOCK_STREAM)
        let bench = try ComponentBench(backEnd, link: pair.own, .stream(.agent))
        var link = try bench.takeLink()
        var written = 0
        while !link.isCongested, written < 100_000 {
            link.write(OutgoingFrame(bench.lease(Self.frame), offset: 0, length: UInt32(Self.frame.count)), &bench.core)
            link.flush(&bench.core)
            _ = bench.core.reactor.ring.submitAndWait(nanoseconds: 0)
            while let completion = bench.core.reactor.ring.nextCompletion() {
                let received = link.complete(completion, &bench.core)
                #expect(received == nil)
            }
            written += 1
        }
        let isCongested = link.isCongested
        #expect(isCongested)
        close(pair.other)
        link.closeDescriptors()
    }
}
