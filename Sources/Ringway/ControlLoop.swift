internal import CRingway
internal import Glibc
internal import Synchronization

/// A network's one thread of control: it waits for descriptors and times, and does one thing after the other.
///
/// It is started when it is first needed, and takes no signals. What is watched belongs to its thread alone.
final class ControlLoop: Sendable {
    private struct Inbox {
        var work: [@Sendable () -> Void] = []
        var thread: pthread_t?
        var isStopping = false
    }

    /// Whoever waits for something; only the loop's thread touches it.
    private final class Watches: @unchecked Sendable {
        // Sendable: confined to the loop's thread.
        var descriptors: [Int32: (events: Int16, action: () -> Void)] = [:]
        var timers: [(due: UInt64, action: () -> Void)] = []
    }

    private let inbox = Mutex(Inbox())
    private let watches = Watches()
    private let bell: Int32

    init() { bell = ringway_event_descriptor() }

    deinit { if bell >= 0 { close(bell) } }

    // MARK: From any thread

    /// Has the loop's thread do something. What comes after `stop` is not done.
    func post(_ work: @escaping @Sendable () -> Void) {
        inbox.withLock { inbox in
            guard !inbox.isStopping else { return }
            inbox.work.append(work)
            if inbox.thread == nil { inbox.thread = start() }
        }
        wake()
    }

    /// The same, and returns when it is done; at once where the caller is the loop's own thread.
    func perform(_ work: @escaping @Sendable () -> Void) {
        let thread = inbox.withLock { $0.isStopping ? nil : $0.thread }
        guard let thread else { return }
        if pthread_equal(thread, pthread_self()) != 0 { return work() }
        let done = ringway_event_descriptor()
        guard done >= 0 else { return post(work) }
        defer { close(done) }
        post {
            work()
            var one: UInt64 = 1
            _ = write(done, &one, 8)
        }
        var entry = pollfd(fd: done, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, -1) < 0, errno == EINTR {}
    }

    /// Does what was posted, then ends the thread; returns when it has ended, unless it is the caller.
    func stop() {
        let thread = inbox.withLock { inbox -> pthread_t? in
            inbox.isStopping = true
            defer { inbox.thread = nil }
            return inbox.thread
        }
        guard let thread else { return }
        wake()
        if pthread_equal(thread, pthread_self()) != 0 {
            pthread_detach(thread)
        } else {
            pthread_join(thread, nil)
        }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(bell, &one, 8)
    }

    private func start() -> pthread_t? {
        // The new thread inherits the mask: signals stay with the threads that expect them.
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        guard pthread_create(&thread, nil, Self.threadBody, context.toOpaque()) == 0 else {
            context.release()
            return nil
        }
        return thread
    }

    private static let threadBody: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        ringway_name_thread("ringway-control")
        Unmanaged<ControlLoop>.fromOpaque(argument).takeRetainedValue().run()
        return nil
    }

    // MARK: From the loop's thread

    /// Calls `action` whenever the descriptor is ready for one of `events`, or is broken.
    func watch(_ descriptor: Int32, for events: Int32 = Int32(POLLIN), _ action: @escaping () -> Void) {
        watches.descriptors[descriptor] = (Int16(truncatingIfNeeded: events), action)
    }

    func unwatch(_ descriptor: Int32) { watches.descriptors[descriptor] = nil }

    /// Calls `action` once, after so many milliseconds.
    func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
        watches.timers.append((ringway_monotonic_nanoseconds() + milliseconds * 1_000_000, action))
    }

    private func run() {
        while true {
            var entries = [pollfd(fd: bell, events: Int16(POLLIN), revents: 0)]
            for (descriptor, watch) in watches.descriptors {
                entries.append(pollfd(fd: descriptor, events: watch.events, revents: 0))
            }
            _ = poll(&entries, nfds_t(entries.count), patience)
            if entries[0].revents != 0 {
                var count: UInt64 = 0
                _ = read(bell, &count, 8)
            }
            for entry in entries.dropFirst() where entry.revents != 0 { watches.descriptors[entry.fd]?.action() }
            runTimers()
            let (work, isStopping) = inbox.withLock { inbox in
                defer { inbox.work = [] }
                return (inbox.work, inbox.isStopping)
            }
            for item in work { item() }
            if isStopping { break }
        }
        watches.descriptors = [:]
        watches.timers = []
    }

    /// Milliseconds until the next timer; negative when there is none.
    private var patience: Int32 {
        guard let due = watches.timers.map(\.due).min() else { return -1 }
        let now = ringway_monotonic_nanoseconds()
        return due <= now ? 0 : Int32(clamping: (due - now) / 1_000_000 + 1)
    }

    private func runTimers() {
        let now = ringway_monotonic_nanoseconds()
        let due = watches.timers.filter { $0.due <= now }
        guard !due.isEmpty else { return }
        watches.timers.removeAll { $0.due <= now }
        for timer in due { timer.action() }
    }
}
