import Benchmark
import RingwayStack
import RingwayStorage
import RingwayWire

/// Flow `number` of many.
private func key(_ number: Int) -> FlowKey {
    FlowKey(
        guest: IPAddress(GuestFrame.guest), guestPort: UInt16(truncatingIfNeeded: number),
        remote: IPAddress(IPv4Address(rawValue: 0xCB00_7100 + UInt32(number >> 16))), remotePort: 443, transport: .tcp)
}

func registerTables() {
    for flows in [1, 1_000, 65_536] {
        Benchmark("FlowTable.Find.\(flows)") { benchmark in
            var table = FlowTable(capacity: 65_536, secret: 0x1234_5678_9ABC_DEF0)
            for number in 0..<flows { _ = table.insert(key(number), Flow(.tcp, slot: UInt32(number))) }
            benchmark.startMeasurement()
            var number = 0
            for _ in benchmark.scaledIterations {
                blackHole(table.find(key(number)))
                // A stride that leaves no order for the cache to guess.
                number = (number + 7_919) % flows
            }
            benchmark.stopMeasurement()
        }
    }
    Benchmark("FlowTable.InsertRemove") { benchmark in
        var table = FlowTable(capacity: 65_536, secret: 0x1234_5678_9ABC_DEF0)
        for number in 0..<32_768 { _ = table.insert(key(number), Flow(.tcp, slot: UInt32(number))) }
        benchmark.startMeasurement()
        for number in benchmark.scaledIterations {
            _ = table.insert(key(40_000 + number), Flow(.tcp, slot: 0))
            table.remove(key(40_000 + number))
        }
        benchmark.stopMeasurement()
    }
    Benchmark("TimerWheel.Move") { benchmark in
        var wheel = TimerWheel(capacity: 65_536, now: 0)
        for timer in UInt32(0)..<65_536 { wheel.schedule(timer, at: UInt64(timer) << 20) }
        benchmark.startMeasurement()
        for step in benchmark.scaledIterations {
            wheel.schedule(UInt32(truncatingIfNeeded: step &* 7_919) & 0xFFFF, at: 200_000_000 + UInt64(step) << 12)
        }
        benchmark.stopMeasurement()
    }
    Benchmark("TimerWheel.FireAndSet") { benchmark in
        var wheel = TimerWheel(capacity: 1_024, now: 0)
        for timer in UInt32(0)..<1_024 { wheel.schedule(timer, at: UInt64(timer) << 18) }
        var now: UInt64 = 0
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            now += 1 << 18
            while let timer = wheel.popExpired(now: now) { wheel.schedule(timer, at: now + 1 << 28) }
        }
        benchmark.stopMeasurement()
    }
    Benchmark("BufferPool.LeaseRelease") { benchmark in
        let space = BufferSpace(shards: 1, largeCount: 64, smallCount: 64)
        var pool = BufferPool(space: space, shard: 0)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            let lease = pool.lease(.large)
            blackHole(space.address(of: lease))
            pool.release(lease)
        }
        benchmark.stopMeasurement()
        space.deallocate()
    }
}
