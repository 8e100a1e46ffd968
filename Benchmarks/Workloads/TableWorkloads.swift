import RingwayModel
import RingwayStack
import RingwayStorage

/// Flow `number` of many.
private func key(_ number: Int) -> FlowKey {
    FlowKey(
        guest: IPAddress(GuestFrame.guest), guestPort: UInt16(truncatingIfNeeded: number),
        remote: IPAddress(IPv4Address(rawValue: 0xCB00_7100 + UInt32(number >> 16))), remotePort: 443, transport: .tcp)
}

/// Storage for a noncopyable value that a closure can capture: raw memory, because a class would add exclusivity checks
/// to the counts. Never freed.
private struct Held<Value: ~Copyable>: @unchecked Sendable {
    private let place: UnsafeMutablePointer<Value>

    init(_ value: consuming Value) {
        place = .allocate(capacity: 1)
        place.initialize(to: value)
    }

    @inline(__always) var value: Value {
        unsafeAddress { UnsafePointer(place) }
        nonmutating unsafeMutableAddress { place }
    }
}

private func table(flows: Int) -> Held<FlowTable> {
    let held = Held(MemoryFailure.trap { try FlowTable(capacity: 65_536, secret: 0x1234_5678_9ABC_DEF0) })
    for number in 0..<flows { _ = held.value.insert(key(number), Flow(.tcp, slot: UInt32(number))) }
    return held
}

extension Workload {
    static var tables: [Workload] { flowTables + timers + buffers }

    private static var flowTables: [Workload] {
        let hits = [1, 1_000, 50_000].map { flows in
            Workload("FlowTable.Find.\(flows)") {
                let table = table(flows: flows)
                return { count in
                    var number = 0
                    for _ in 0..<count {
                        consume(Int(table.value.find(key(number))?.slot ?? 0))
                        // A stride that the prefetcher cannot predict.
                        number = (number + 7_919) % flows
                    }
                }
            }
        }
        let miss = Workload("FlowTable.Miss") {
            let table = table(flows: 50_000)
            return { count in
                for number in 0..<count { consume(Int(table.value.find(key(100_000 + number & 0xFFFF))?.slot ?? 0)) }
            }
        }
        let change = Workload("FlowTable.InsertRemove") {
            let table = table(flows: 32_768)
            return { count in
                for number in 0..<count {
                    _ = table.value.insert(key(40_000 + number & 0xFFFF), Flow(.tcp, slot: 0))
                    table.value.remove(key(40_000 + number & 0xFFFF))
                }
            }
        }
        return hits + [miss, change]
    }

    private static var timers: [Workload] {
        let cancel = Workload("TimerWheel.ScheduleCancel") {
            let wheel = Held(MemoryFailure.trap { try TimerWheel(capacity: 65_536, now: 0) })
            return { count in
                for step in 0..<count {
                    let timer = UInt32(truncatingIfNeeded: step &* 7_919) & 0xFFFF
                    wheel.value.schedule(timer, at: 200_000_000 + UInt64(step & 0xFFFF) << 12)
                    wheel.value.cancel(timer)
                }
            }
        }
        let move = Workload("TimerWheel.Move") {
            let wheel = Held(MemoryFailure.trap { try TimerWheel(capacity: 65_536, now: 0) })
            for timer in UInt32(0)..<65_536 { wheel.value.schedule(timer, at: UInt64(timer) << 20) }
            return { count in
                for step in 0..<count {
                    let timer = UInt32(truncatingIfNeeded: step &* 7_919) & 0xFFFF
                    wheel.value.schedule(timer, at: 200_000_000 + UInt64(step & 0xFFFF) << 12)
                }
            }
        }
        // One iteration is one tick, on which four timers expire and are set again.
        let fire = Workload("TimerWheel.FireAndSet") {
            let wheel = Held(MemoryFailure.trap { try TimerWheel(capacity: 1_024, now: 0) })
            for timer in UInt32(0)..<1_024 { wheel.value.schedule(timer, at: UInt64(timer) << 18) }
            var now: UInt64 = 0
            return { count in
                for _ in 0..<count {
                    now += 1 << 20
                    while let timer = wheel.value.popExpired(now: now) {
                        wheel.value.schedule(timer, at: now + 1 << 28)
                    }
                }
            }
        }
        return [cancel, move, fire]
    }

    private static var buffers: [Workload] {
        [
            Workload("BufferPool.LeaseRelease") {
                let space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: 64, smallCount: 64) }
                let pool = Held(MemoryFailure.trap { try BufferPool(space: space, shard: 0) })
                return { count in
                    for _ in 0..<count {
                        let lease = pool.value.lease(.large)
                        consume(Int(bitPattern: space.address(of: lease)))
                        pool.value.release(lease)
                    }
                }
            }
        ]
    }
}
