import Glibc
import RingwaySystem
import Synchronization
import Testing

@testable import RingwayEngine

@Suite("Replies of shards", .timeLimit(.minutes(1)))
struct ShardReplyTests {
    @Test func `a wait ends with the last reply, or by timeout`() {
        let reply = ShardReply(count: 2)
        reply.send()
        #expect(!reply.wait(milliseconds: 1))
        reply.send()
        #expect(reply.wait(milliseconds: 0))
    }

    @Test func `a signal that the thread handles does not end a wait`() throws {
        signal(SIGUSR2) { _ in }
        let reply = ShardReply(count: 1)
        let hasBegun = try Wakeup()
        let waiting = Mutex<pthread_t?>(nil)
        let outcome = Mutex<Bool?>(nil)
        let thread = try SystemThread("test-waiter") {
            // A `SystemThread` blocks all signals.
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGUSR2)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            waiting.withLock { $0 = pthread_self() }
            hasBegun.signal()
            let isComplete = reply.wait(milliseconds: 30_000)
            outcome.withLock { $0 = isComplete }
        }
        #expect(hasBegun.wait(milliseconds: 30_000))
        let begun = waiting.withLock { $0 }
        let waiter = try #require(begun)
        for _ in 0..<1_000 {
            pthread_kill(waiter, SIGUSR2)
            sched_yield()
        }
        reply.send()
        thread.join()
        let isComplete = outcome.withLock { $0 }
        #expect(isComplete == true)
    }
}
