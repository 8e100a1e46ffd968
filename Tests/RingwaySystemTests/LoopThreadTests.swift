import Glibc
import RingwaySystem
import Synchronization
import Testing

@Suite("A loop on a thread of its own", .timeLimit(.minutes(1)))
struct LoopThreadTests {
    @Test func `does what many threads post, all of it, each thread's in its order`() throws {
        let thread = try LoopThread("test-loop")
        let seen = LoopConfined<[[Int]]>(Array(repeating: [], count: 8), to: thread)
        var posters: [SystemThread] = []
        for number in 0..<8 {
            posters.append(
                try SystemThread("test-poster") {
                    for item in 0..<2_000 { thread.post { _ in seen.value[number].append(item) } }
                })
        }
        for poster in posters { poster.join() }
        let result = Mutex<[[Int]]>([])
        #expect(thread.perform { _ in result.withLock { $0 = seen.value } })
        #expect(result.withLock { $0 } == Array(repeating: Array(0..<2_000), count: 8))
        thread.stop()
    }

    @Test func `does what was posted before the end, and nothing afterwards`() throws {
        let thread = try LoopThread("test-loop")
        let counter = Counter()
        for _ in 0..<100 { #expect(thread.post { _ in counter.increment() }) }
        thread.stop()
        #expect(!thread.post { _ in counter.increment() })
        #expect(!thread.perform { _ in counter.increment() })
        #expect(counter.value == 100)
    }

    @Test func `performs at once on its own thread, and may be stopped there`() throws {
        let thread = try LoopThread("test-loop")
        let counter = Counter()
        let isDone = thread.perform { _ in
            #expect(thread.isCurrent)
            #expect(thread.perform { _ in counter.increment() })
            thread.stop()
        }
        #expect(isDone && counter.value == 1)
        #expect(!thread.isCurrent)
        #expect(!thread.post { _ in })
    }

    @Test func `is not waited for beyond a timeout`() throws {
        let thread = try LoopThread("test-loop")
        let gate = try Wakeup()
        thread.post { _ in _ = gate.wait(milliseconds: 10_000) }
        #expect(!thread.perform(timeout: 20) { _ in })
        gate.signal()
        thread.stop()
    }

    @Test func `wakes for a descriptor and for a time without being asked`() throws {
        final class Member: LoopMember {
            let isCalled: Wakeup
            init(_ isCalled: Wakeup) { self.isCalled = isCalled }
            override func deadlinePassed(now: UInt64) { isCalled.signal() }
        }
        let thread = try LoopThread("test-loop")
        let isCalled = try Wakeup()
        thread.post { loop in loop.schedule(Member(isCalled), at: MonotonicClock.now() + 20_000_000) }
        #expect(isCalled.wait(milliseconds: 10_000))
        thread.stop()
    }

    @Test func `takes no signals, and has its name`() throws {
        let found = Mutex<(name: String, blocked: Bool)>(("", false))
        let thread = try SystemThread("test-name") {
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            let isBlocked = [SIGTERM, SIGPIPE, SIGUSR1].allSatisfy { sigismember(&mask, $0) == 1 }
            var name = [UInt8](repeating: 0, count: 16)
            let file = open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC)
            let count = max(0, read(file, &name, name.count))
            close(file)
            let text = String(decoding: name[..<count].filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            found.withLock { $0 = (text, isBlocked) }
        }
        thread.join()
        #expect(found.withLock { $0.name } == "test-name")
        #expect(found.withLock { $0.blocked })
    }
}

@Suite("Wake-ups", .timeLimit(.minutes(1)))
struct WakeupTests {
    @Test func `are one however many there were, and wait until they are cleared`() throws {
        let wakeup = try Wakeup()
        #expect(!wakeup.wait(milliseconds: 0))
        for _ in 0..<1_000 { wakeup.signal() }
        #expect(wakeup.wait(milliseconds: 0))
        #expect(wakeup.wait(milliseconds: -1))
        wakeup.clear()
        #expect(!wakeup.wait(milliseconds: 1))
    }

    @Test func `from many threads are never lost`() throws {
        let wakeup = try Wakeup()
        let missing = Counter()
        var threads: [SystemThread] = []
        for _ in 0..<8 {
            threads.append(
                try SystemThread("test-waker") {
                    for _ in 0..<2_000 {
                        missing.increment()
                        wakeup.signal()
                    }
                })
        }
        while missing.value < 16_000 {
            #expect(wakeup.wait(milliseconds: 10_000))
            wakeup.clear()
        }
        for thread in threads { thread.join() }
    }
}

@Suite("A descriptor with an owner")
struct OwnedDescriptorTests {
    /// Whether a descriptor is closed, which no other test reuses meanwhile: the pipe's other end shows it.
    private static func isClosed(_ reading: Int32) -> Bool {
        var entry = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLHUP) != 0
    }

    @Test func `is closed when its owner goes, and not when it has been taken`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { close(ends[0]) }
        let number = OwnedDescriptor(adopting: ends[1]).take()
        #expect(number == ends[1])
        #expect(!Self.isClosed(ends[0]))
        do {
            let owned = OwnedDescriptor(adopting: number)
            #expect(owned.rawValue == number)
            #expect(!Self.isClosed(ends[0]))
        }
        #expect(Self.isClosed(ends[0]))
    }

    @Test func `is none where a system call failed`() {
        let result = open("/no such file", O_RDONLY)
        let error = errno
        if OwnedDescriptor(result: result) != nil { Issue.record("there is a descriptor") }
        #expect(error == ENOENT)
    }
}

/// A number that threads share.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .acquiring) }
    func increment() { count.add(1, ordering: .acquiringAndReleasing) }
}
