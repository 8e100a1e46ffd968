import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

@Suite("ReceiveSide")
struct ReceiveSideTests {
    private let initial = SequenceNumber(0xFFFF_FFF0)

    private func at(_ offset: Int) -> SequenceNumber { initial.advanced(by: 1 + offset) }

    private func opened(scale: UInt8 = 0) -> ReceiveSide {
        var receive = ReceiveSide()
        receive.scale = scale
        receive.begin(at: initial)
        return receive
    }

    private func field(
        _ receive: inout ReceiveSide, _ reservation: inout WindowReservation, isOpen: Bool = true, connections: Int = 1
    ) -> Int {
        Int(receive.windowField(from: receive.nxt, isOpen: isOpen, &reservation, connections: connections))
    }

    // MARK: The reservation

    @Test func `the first window is reserved, and counts from the guest's SYN once that is known`() {
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = ReceiveSide()
        #expect(receive.firstWindowField(&reservation, connections: 1) == 65_535)
        #expect(reservation.reserved == 65_535)
        receive.begin(at: initial)
        #expect(receive.nxt == at(0))
        #expect(receive.offered == 65_535)
        #expect(receive.firstWindowField(&reservation, connections: 1) == 65_535, "it is reserved once")
        #expect(reservation.reserved == 65_535)
    }

    @Test func `where everything is reserved each connection keeps a small window`() {
        var reservation = WindowReservation(limit: 1 << 16)
        reservation.reserve(1 << 16)
        var first = opened()
        #expect(field(&first, &reservation, connections: 1) == 4_380)
        var second = opened()
        #expect(field(&second, &reservation, connections: 10_000) == 1_460)
        #expect(reservation.reserved == 1 << 16 + 4_380 + 1_460)
    }

    /// A connection whose limit has grown to `limit`, because its host keeps up.
    private func grown(to limit: Int) -> ReceiveSide {
        var scratch = WindowReservation(limit: 0)
        var receive = opened(scale: 8)
        while receive.limit < limit { receive.hostTook(Int(receive.limit), &scratch, largest: limit) }
        return receive
    }

    @Test func `what there is is divided among connections that want more, and one more finds room`() {
        let total = 3 << 20
        var reservation = WindowReservation(limit: total)
        var receives = (0..<4).map { _ in grown(to: 4 << 20) }
        let alone = field(&receives[0], &reservation) << 8
        #expect(abs(alone - total * 2 / 3) <= 256)
        // The hosts take everything again and again, and each guest sends all that it may.
        for _ in 0..<50 {
            for index in receives.indices {
                let bytes = receives[index].offered
                receives[index].nxt = receives[index].edge
                receives[index].hostTook(bytes, &reservation, largest: 4 << 20)
                _ = field(&receives[index], &reservation, connections: 4)
            }
        }
        #expect(reservation.reserved == receives.reduce(0) { $0 + $1.offered })
        #expect(receives.allSatisfy { abs($0.offered - total * 2 / 9) < 16_384 }, "\(receives.map(\.offered))")
        var newcomer = opened()
        #expect(newcomer.firstWindowField(&reservation, connections: 5) == 65_535)
    }

    @Test func `the edge never moves back`() {
        let bench = BufferBench()
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened()
        #expect(field(&receive, &reservation) == 65_535)
        let edge = receive.edge
        _ = receive.append(bench.lease(BufferBench.pattern(20_000), at: at(0)), bench.pool, bench.space)
        #expect(field(&receive, &reservation) == 45_535)
        #expect(receive.edge == edge)
        #expect(field(&receive, &reservation, isOpen: false) == 45_535)
        receive.removeAll(&reservation, bench.pool)
        #expect(reservation.reserved == 0)
        #expect(bench.leased == 0)
    }

    @Test func `a scaled field is rounded so that the edge stays`() {
        let bench = BufferBench()
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened(scale: 8)
        // The window of an unscaled SYN-ACK.
        #expect(receive.firstWindowField(&reservation, connections: 1) == 65_535)
        let lease = bench.lease(BufferBench.pattern(300), at: at(0))
        let tookLease = receive.append(lease, bench.pool, bench.space)
        #expect(!tookLease)
        bench.pool.pointee.release(lease)
        // 65,235 bytes are left of it, which is not a multiple of the unit: rounded up.
        #expect(field(&receive, &reservation) << 8 == 65_280)
        #expect(receive.edge == at(300 + 65_280))
        receive.removeAll(&reservation, bench.pool)
        #expect(reservation.reserved == 0)
    }

    @Test func `what the host takes is released, and the window of a host that keeps up doubles`() {
        let bench = BufferBench()
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened(scale: 8)
        var sent = 0
        for _ in 0..<2 {
            _ = field(&receive, &reservation)
            let bytes = receive.append(
                bench.lease(BufferBench.pattern(40_000), at: at(sent)), bench.pool, bench.space)
            #expect(bytes)
            sent += 40_000
            #expect(receive.removeUnsent(40_000, bench.pool, bench.space) == 0)
            receive.hostTook(40_000, &reservation, largest: 100_000)
        }
        #expect(receive.limit == 100_000, "twice 65,535, but no more than is allowed")
        #expect(reservation.reserved == receive.offered)
        receive.removeAll(&reservation, bench.pool)
        #expect(reservation.reserved == 0)
    }

    @Test func `a window that opens well is worth announcing, one that opens a little is not`() {
        let bench = BufferBench()
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened()
        _ = field(&receive, &reservation)
        _ = receive.append(bench.lease(BufferBench.pattern(60_000), at: at(0)), bench.pool, bench.space)
        #expect(!receive.isWorthAnnouncing(segment: 1_460, reservation, connections: 1))
        #expect(receive.removeUnsent(1_000, bench.pool, bench.space) == 0)
        receive.hostTook(1_000, &reservation, largest: 65_535)
        #expect(!receive.isWorthAnnouncing(segment: 1_460, reservation, connections: 1))
        #expect(receive.removeUnsent(3_000, bench.pool, bench.space) == 0)
        receive.hostTook(3_000, &reservation, largest: 65_535)
        #expect(receive.isWorthAnnouncing(segment: 1_460, reservation, connections: 1))
        receive.removeAll(&reservation, bench.pool)
        #expect(reservation.reserved == 0 && bench.leased == 0)
    }

    @Test func `where little is unreserved, a quarter of the possible window is worth announcing`() {
        let bench = BufferBench()
        var reservation = WindowReservation(limit: 12_000)
        var receive = opened()
        #expect(field(&receive, &reservation) == 8_000)
        _ = receive.append(bench.lease(BufferBench.pattern(5_000), at: at(0)), bench.pool, bench.space)
        // The guest's segments are larger than the window, which could now grow from 3,000 bytes to 4,380.
        #expect(receive.removeUnsent(1_000, bench.pool, bench.space) == 0)
        receive.hostTook(1_000, &reservation, largest: 65_535)
        #expect(!receive.isWorthAnnouncing(segment: 65_483, reservation, connections: 1))
        // And now to 6,000.
        #expect(receive.removeUnsent(2_000, bench.pool, bench.space) == 0)
        receive.hostTook(2_000, &reservation, largest: 65_535)
        #expect(receive.isWorthAnnouncing(segment: 65_483, reservation, connections: 1))
        receive.removeAll(&reservation, bench.pool)
        #expect(reservation.reserved == 0 && bench.leased == 0)
    }

    @Test func `FIN takes a byte of sequence space and none of the reservation`() {
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened()
        _ = field(&receive, &reservation)
        receive.finish(&reservation)
        #expect(receive.isFinished && receive.nxt == at(1))
        #expect(reservation.reserved == receive.offered)
        // With a closed window, too.
        var closed = opened()
        closed.finish(&reservation)
        #expect(closed.offered == 0)
        #expect(reservation.reserved == receive.offered)
    }

    // MARK: What is acceptable (RFC 9293 §3.10.7.4)

    @Test func `the four cases`() {
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened()
        // A closed window: only a segment that starts at its edge.
        #expect(receive.isAcceptable(at(0), extent: 0))
        #expect(receive.isAcceptable(at(0), extent: 10))
        #expect(!receive.isAcceptable(at(-1), extent: 1))
        _ = field(&receive, &reservation)
        #expect(receive.isAcceptable(at(65_535), extent: 0), "an empty segment at the edge")
        #expect(!receive.isAcceptable(at(65_536), extent: 0))
        #expect(!receive.isAcceptable(at(-1), extent: 0))
        #expect(receive.isAcceptable(at(65_534), extent: 100))
        #expect(!receive.isAcceptable(at(65_535), extent: 1))
        #expect(receive.isAcceptable(at(-50), extent: 51), "its end is inside")
        #expect(!receive.isAcceptable(at(-50), extent: 50))
        #expect(receive.isAcceptable(at(-50), extent: 70_000), "it covers the window whole")
    }

    // MARK: Unsent payload

    @Test func `small payloads are copied behind each other, large ones keep their buffers`() {
        let bench = BufferBench()
        var reservation = WindowReservation(limit: 1 << 20)
        var receive = opened()
        _ = field(&receive, &reservation)
        let bytes = BufferBench.pattern(21_000)
        var sent = 0
        for (length, keeps) in [(500, false), (500, false), (20_000, true)] {
            let lease = bench.lease(Array(bytes[sent..<sent + length]), at: at(sent))
            let kept = receive.append(lease, bench.pool, bench.space)
            #expect(kept == keeps)
            if !kept { bench.pool.pointee.release(lease) }
            sent += length
        }
        #expect(receive.unsent.bytes == 21_000)
        #expect(bench.payload(from: receive.unsent.head) == bytes)
        #expect(bench.leased == 2, "two small payloads share a small buffer")
        #expect(receive.removeUnsent(700, bench.pool, bench.space) == 0)
        #expect(bench.payload(from: receive.unsent.head) == Array(bytes[700...]))
        #expect(receive.removeUnsent(30_000, bench.pool, bench.space) == 30_000 - 20_300)
        #expect(bench.leased == 0)
    }

    @Test func `a buffer in the kernel's hands is not written to`() {
        let bench = BufferBench()
        var receive = opened()
        let first = bench.lease(BufferBench.pattern(20_000), at: at(0))
        let tookFirst = receive.append(first, bench.pool, bench.space)
        #expect(tookFirst)
        bench.pool.pointee.hold(first)
        let second = bench.lease(BufferBench.pattern(100), at: at(20_000))
        let tookSecond = receive.append(second, bench.pool, bench.space)
        #expect(!tookSecond)
        bench.pool.pointee.release(second)
        #expect(bench.space.state(of: first).pointee.length == 20_000)
        #expect(receive.unsent.bytes == 20_100)
        bench.pool.pointee.release(first)
    }

    @Test func `under pressure large payloads move into small buffers`() {
        let bench = BufferBench(large: 4, small: 16)
        var receive = opened()
        let held = (0..<3).map { _ in bench.pool.pointee.lease(.large) }
        let bytes = BufferBench.pattern(5_000)
        let lease = bench.lease(bytes, at: at(0))
        let tookLease = receive.append(lease, bench.pool, bench.space)
        #expect(!tookLease)
        bench.pool.pointee.release(lease)
        #expect(bench.payload(from: receive.unsent.head) == bytes)
        for other in held { bench.pool.pointee.release(other) }
        #expect(bench.leased == 3, "three small buffers")
    }
}
