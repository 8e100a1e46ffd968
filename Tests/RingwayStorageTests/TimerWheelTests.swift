import RingwayStorage
import TestSupport
import Testing

@Suite("Timer wheel")
struct TimerWheelTests {
    private static let millisecond: UInt64 = 1_000_000
    private static let second: UInt64 = 1_000_000_000
    private static let hour: UInt64 = 3_600 * second

    @Test func `is idle without timers`() {
        let bench = TimerBench()
        #expect(bench.nextDeadline == nil)
        #expect(bench.count == 0)
        #expect(bench.advance(to: Self.hour).fired.isEmpty)
        #expect(!bench.isScheduled(3))
    }

    @Test(arguments: [1, 999_999, 1_048_576, 40_000_000, 67_108_864, 1_000_000_000, 4_294_967_296, 86_400_000_000_000])
    func `fires no nanosecond early and at most a tick late`(delay: UInt64) {
        let start: UInt64 = 123_456_789_012
        let bench = TimerBench(now: start)
        bench.schedule(7, at: start + delay)
        #expect(bench.advance(to: start + delay - 1).fired.isEmpty)
        let late = bench.advance(to: start + delay + TimerBench.tick)
        #expect(late.fired == [7])
        #expect(late.faults.isEmpty)
        #expect(bench.nextDeadline == nil)
    }

    @Test func `fires a deadline that has passed with the next tick`() {
        let bench = TimerBench(now: Self.hour)
        bench.schedule(0, at: Self.hour - Self.second)
        #expect(bench.advance(to: Self.hour + TimerBench.tick).fired == [0])
    }

    @Test func `moves a timer to where it was last put`() {
        let bench = TimerBench()
        bench.schedule(1, at: Self.second)
        bench.schedule(1, at: 10 * Self.second)
        #expect(bench.count == 1)
        #expect(bench.advance(to: 9 * Self.second).fired.isEmpty)
        bench.schedule(1, at: 9 * Self.second + Self.millisecond)
        #expect(bench.advance(to: 9 * Self.second + 3 * Self.millisecond).fired == [1])
        #expect(bench.advance(to: 20 * Self.second).fired.isEmpty)
    }

    @Test func `forgets a timer that is cancelled`() {
        let bench = TimerBench()
        bench.schedule(1, at: Self.second)
        bench.schedule(2, at: Self.second)
        bench.schedule(3, at: Self.second)
        bench.cancel(2)
        bench.cancel(2)
        bench.cancel(60)
        #expect(!bench.isScheduled(2))
        #expect(Set(bench.advance(to: 2 * Self.second).fired) == [1, 3])
    }

    @Test func `a timer can be set again from the moment it fires`() {
        let bench = TimerBench()
        bench.schedule(5, at: Self.second)
        var instant = Self.second
        for _ in 0..<100 {
            #expect(bench.advance(to: instant + TimerBench.tick).fired == [5])
            instant += Self.second
            bench.schedule(5, at: instant)
        }
    }

    @Test func `keeps a deadline beyond its reach`() {
        let bench = TimerBench()
        let fortnight = 14 * 24 * Self.hour
        bench.schedule(1, at: fortnight)
        bench.schedule(2, at: 1 << 50)
        #expect(bench.advance(to: (1 << 50) - 1).fired.isEmpty)
        #expect(bench.advance(to: (1 << 50) + TimerBench.tick).fired == [2])
        #expect(bench.advance(to: fortnight - 1).fired.isEmpty)
        #expect(bench.advance(to: fortnight + TimerBench.tick).fired == [1])
    }

    @Test func `takes the latest of all instants for never`() {
        let bench = TimerBench(now: Self.hour)
        bench.schedule(1, at: .max)
        #expect(bench.advance(to: 2 * Self.hour).fired.isEmpty)
        // The wheel need not be advanced every tick for it.
        #expect((bench.nextDeadline ?? 0) > 2 * Self.hour + Self.second)
    }

    @Test(arguments: [0, 1, 63, 64, 4_095, 4_096, 262_144, 262_143])
    func `brings timers down from the coarser levels wherever the hand stands`(offset: UInt64) {
        let start = offset * TimerBench.tick
        let bench = TimerBench(capacity: 512, now: start)
        var delays: [UInt64] = []
        for level in 0..<4 {
            let unit: UInt64 = 1 << (6 * UInt64(level))
            for count: UInt64 in [1, 2, 31, 62, 63, 64, 65] { delays.append(unit * count) }
        }
        for (timer, delay) in delays.enumerated() {
            bench.schedule(UInt32(timer), at: start + delay * TimerBench.tick)
        }
        for delay in Set(delays).sorted() {
            let instant = start + delay * TimerBench.tick
            #expect(bench.advance(to: instant - 1).fired.isEmpty)
            let result = bench.advance(to: instant)
            #expect(result.faults.isEmpty)
            #expect(result.fired.count == delays.count { $0 == delay }, "at \(delay) ticks")
        }
    }

    @Test(arguments: [UInt64](1...32))
    func `agrees with a dictionary of deadlines under any order of calls`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let bench = TimerBench(now: noise.next() >> 20)
        for _ in 0..<3_000 {
            let timer = UInt32(noise.below(64))
            switch noise.below(8) {
            case 0...3: bench.schedule(timer, at: bench.now + noise.next() >> UInt64(14 + noise.below(40)))
            case 4: bench.cancel(timer)
            default:
                let step = noise.next() >> UInt64(26 + noise.below(34))
                let result = bench.advance(to: bench.now + step)
                #expect(result.faults.isEmpty)
            }
            #expect(bench.isScheduled(timer) == (bench.deadlines[timer] != nil))
        }
    }

    @Test(arguments: [UInt64](1...16))
    func `fires every timer in time if the caller sleeps until the next deadline`(seed: UInt64) throws {
        var noise = SeededNoise(seed: seed)
        let bench = TimerBench(capacity: 256, now: noise.next() >> 24)
        for timer in UInt32(0)..<256 {
            bench.schedule(timer, at: bench.now + noise.next() >> UInt64(22 + noise.below(32)))
        }
        var wakes = 0
        var fired = 0
        while let next = bench.nextDeadline {
            // A sleeper is never woken before its deadline.
            let before = bench.advance(to: max(bench.now, next - 1))
            #expect(before.fired.isEmpty)
            let result = bench.advance(to: max(bench.now, next))
            #expect(result.faults.isEmpty)
            fired += result.fired.count
            wakes += 1
            try #require(wakes < 256 * 6, "the wheel wakes its owner for nothing")
        }
        #expect(fired == 256)
    }

    @Test func `traps on a timer that it has no room for`() async {
        await #expect(processExitsWith: .failure) {
            var wheel = MemoryFailure.trap { try TimerWheel(capacity: 4, now: 0) }
            wheel.schedule(4, at: 1)
        }
    }
}
