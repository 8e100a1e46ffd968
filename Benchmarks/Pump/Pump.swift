import Glibc
import Processors
import Synchronization
import Workloads

/// Threads that pump one shard each, simultaneously.
final class Pump: Sendable {
    /// Frames of all shards per second, and a shard's time per frame.
    struct Rate {
        var framesPerSecond: Double
        var nanosecondsPerFrame: Double
        /// The fraction of frames that were handed over: 0 to 1.
        var handedOver: Double
    }

    private enum Phase: UInt32 {
        case warming, measuring, stopping
    }

    private let shards: PumpedShards
    private let kind: PumpedKind
    private let mix: PumpedMix
    /// Written twice, by the measuring thread; every pumping thread reads it once a turn.
    private let phase = Atomic<UInt32>(Phase.warming.rawValue)
    private let ready = Atomic<Int>(0)
    private let results = Mutex<[Rate]>([])

    init(shards count: Int, kind: PumpedKind, percent: Int) {
        mix = PumpedMix(percent: percent)
        shards = PumpedShards(count: count, flows: mix.local, foreign: mix.foreign)
        self.kind = kind
    }

    func run(nanoseconds: UInt64) -> Rate {
        var threads: [pthread_t] = []
        for index in 0..<shards.count {
            var thread = pthread_t()
            let worker = Unmanaged.passRetained(Worker(pump: self, index: index))
            let result = pthread_create(&thread, nil, Pump.body, worker.toOpaque())
            precondition(result == 0, "the system gives no thread")
            threads.append(thread)
        }
        Self.wait(nanoseconds / 10)
        phase.store(Phase.measuring.rawValue, ordering: .releasing)
        Self.wait(nanoseconds)
        phase.store(Phase.stopping.rawValue, ordering: .releasing)
        for thread in threads { pthread_join(thread, nil) }
        return results.withLock { rates in
            Rate(
                framesPerSecond: rates.reduce(0) { $0 + $1.framesPerSecond },
                nanosecondsPerFrame: rates.reduce(0) { $0 + $1.nanosecondsPerFrame } / Double(rates.count),
                handedOver: rates.reduce(0) { $0 + $1.handedOver } / Double(rates.count))
        }
    }

    private static func wait(_ nanoseconds: UInt64) {
        var time = timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        nanosleep(&time, nil)
    }

    private final class Worker {
        let pump: Pump
        let index: Int

        init(pump: Pump, index: Int) {
            self.pump = pump
            self.index = index
        }
    }

    /// The body of a pumping thread. A declaration rather than a closure at the point of use, so that it inherits no
    /// actor isolation.
    private static let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let worker = Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
        let error = pin_thread(Int32(worker.index))
        precondition(error == 0, "there is no processor \(worker.index) to run on")
        worker.pump.pump(worker.index)
        return nil
    }

    private func pump(_ index: Int) {
        let shard = shards[index]
        shard.pointee.prepare(kind, mix)
        while phase.load(ordering: .relaxed) == Phase.warming.rawValue { shard.pointee.turn(kind, mix) }
        let start = Self.clock()
        let before = (frames: shard.pointee.framesPumped, handed: shard.pointee.framesHandedOver)
        while phase.load(ordering: .relaxed) == Phase.measuring.rawValue { shard.pointee.turn(kind, mix) }
        let elapsed = Double(Self.clock() - start)
        let frames = Double(shard.pointee.framesPumped - before.frames)
        let handed = Double(shard.pointee.framesHandedOver - before.handed)
        results.withLock {
            // A shard that the scheduler never ran has no cost per frame.
            $0.append(
                Rate(
                    framesPerSecond: frames / max(1, elapsed) * 1e9, nanosecondsPerFrame: elapsed / max(1, frames),
                    handedOver: handed / max(1, frames)))
        }
    }

    private static func clock() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
