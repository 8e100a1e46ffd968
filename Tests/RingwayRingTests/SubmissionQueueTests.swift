import CRingway
import Glibc
import TestSupport
import Testing

@testable import RingwayRing

/// A kernel that does what a script says.
private struct ScriptedQueue: ~Copyable, SubmissionQueue {
    /// What it answers to submissions; it takes them once these are used up.
    var answers: [Int32]
    /// Completions that it holds, which it must be rid of before it takes submissions.
    var completions = 0
    private(set) var submissions = 0
    private(set) var rests = 0

    init(_ answers: [Int32], completions: Int = 0) {
        self.answers = answers
        self.completions = completions
    }

    mutating func submitOnce() -> Int32 {
        submissions += 1
        if completions > 0 { return -EBUSY }
        return answers.isEmpty ? 8 : answers.removeFirst()
    }

    mutating func takeCompletions() -> Int {
        defer { completions = 0 }
        return completions
    }

    mutating func rest() { rests += 1 }
}

@Suite("Submissions that the kernel does not take", .tags(.kernel))
struct SubmissionQueueTests {
    @Test func `go in when their turn comes, at once where nothing is in the way`() {
        var queue = ScriptedQueue([])
        let outcome = queue.submitSome()
        #expect(outcome == 0)
        let (submissions, rests) = (queue.submissions, queue.rests)
        #expect(submissions == 1 && rests == 0)
    }

    @Test func `go in once the completions that are in the way have been taken`() {
        var queue = ScriptedQueue([], completions: 5)
        let outcome = queue.submitSome()
        #expect(outcome == 0)
        let (submissions, rests, left) = (queue.submissions, queue.rests, queue.completions)
        #expect(submissions == 2 && rests == 0 && left == 0)
    }

    @Test func `wait for memory without keeping the processor busy`() {
        var queue = ScriptedQueue([-EAGAIN, -EINTR, -EAGAIN, -EBUSY])
        let outcome = queue.submitSome()
        #expect(outcome == 0)
        let rests = queue.rests
        #expect(rests == 3)
    }

    @Test func `are given up where the ring has failed`() {
        var queue = ScriptedQueue([-EAGAIN, -EBADF])
        let outcome = queue.submitSome()
        #expect(outcome == EBADF)
    }

    @Test(.enabled(if: BackEnd.here.contains(.ioUring), "this machine has no io_uring"))
    func `completions that were taken for room come back in their order, before later ones`() throws {
        let bench = try RingBench(.ioUring)
        var bytes: [UInt32] = []
        for index in 0..<5 as Range<UInt32> {
            bench.prepare(index) { io_uring_prep_nop($0) }
            _ = bench.ring.submit()
        }
        let taken = bench.ring.takeCompletions()
        #expect(taken == 5)
        bench.prepare(5) { io_uring_prep_nop($0) }
        bench.ring.submitAll()
        while bytes.count < 6 {
            let isReady = bench.ring.hasCompletion()
            #expect(isReady)
            guard bench.ring.submitAndWait(nanoseconds: -1) == 0, let next = bench.ring.nextCompletion() else { break }
            bytes.append(next.tag.index)
        }
        #expect(bytes == Array(0...5))
        #expect(bench.ring.nextCompletion() == nil)
    }

    @Test(.enabled(if: KernelFeatures.probe().defersTaskWork, "this kernel's rings belong to no thread"))
    func `of a ring that takes nothing from this thread entries are still to be had, and go nowhere`() throws {
        nonisolated(unsafe) let bench = try RingBench(.ioUring, entries: 8, completions: 16)
        TestThread {
            for _ in 0..<100 { bench.prepare(1) { io_uring_prep_nop($0) } }
            bench.ring.submitAll()
            #expect(bench.ring.submitAndWait(nanoseconds: 0) != 0)
        }.join()
        // What was queued in time goes in from the thread that the ring belongs to.
        #expect(bench.completions(8).count == 8)
    }
}
