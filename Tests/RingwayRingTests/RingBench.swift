import CRingway

@testable import RingwayRing

/// A ring that is enabled for the thread that makes it, behind a reference so that expectations may ask it.
final class RingBench {
    var ring: Ring

    init(_ backEnd: BackEnd, entries: UInt32 = 32, completions: UInt32 = 128, isRestricted: Bool = false) throws {
        ring = try Ring(
            entries: entries, completions: completions, features: backEnd.features, isRestricted: isRestricted)
        try ring.enable()
    }

    /// Prepares one operation under a tag of this index.
    func prepare(_ index: UInt32, _ fill: (UnsafeMutablePointer<io_uring_sqe>) -> Void) {
        ring.add(OperationTag(kind: 1, index: index), fill)
    }

    /// Submits and collects completions until there are `count`, or for two seconds.
    func completions(_ count: Int) -> [Completion] {
        var all: [Completion] = []
        let end = ringway_monotonic_nanoseconds() + 2_000_000_000
        while all.count < count, ringway_monotonic_nanoseconds() < end {
            guard ring.submitAndWait(nanoseconds: 50_000_000) == 0 else { break }
            while let completion = ring.nextCompletion() { all.append(completion) }
        }
        return all
    }

    /// Submits, and collects unexpected completions for some milliseconds.
    func unexpected() -> [Completion] {
        var all: [Completion] = []
        _ = ring.submitAndWait(nanoseconds: 30_000_000)
        while let completion = ring.nextCompletion() { all.append(completion) }
        return all
    }
}
