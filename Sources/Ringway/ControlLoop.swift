internal import RingwaySystem

/// A network's control thread: an event loop that runs watched descriptors' handlers, timers and posted closures one
/// after another.
///
/// Only code on that thread may register descriptors and timers.
final class ControlLoop: Sendable {
    private let thread: LoopThread
    private let watches: LoopConfined<Watches>

    init() throws(SystemError) {
        thread = try LoopThread("ringway-control")
        watches = LoopConfined(to: thread) { Watches($0) }
        // Started now, because the first post may come from a shard: a new thread inherits the capabilities and the
        // system call filter of its creator, and those of a shard are too narrow for this thread.
        try thread.start()
    }

    // MARK: From any thread

    /// Runs a closure on the loop's thread. Closures posted after `stop` do not run.
    func post(_ work: @escaping @Sendable () -> Void) { thread.post { _ in work() } }

    /// Runs a closure on the loop's thread and waits until it has run. Called on that thread, runs the closure at once.
    func perform(_ work: @escaping @Sendable () -> Void) { thread.perform { _ in work() } }

    /// Runs the closures posted so far, then ends the thread. Returns when the thread has ended, unless called on it.
    func stop() { thread.stop() }

    // MARK: From the loop's thread

    /// Calls `action` whenever the descriptor is readable or has failed, replacing an earlier action.
    func watch(_ descriptor: Int32, _ action: @escaping () -> Void) { watches.value.watch(descriptor, action) }

    /// Stops watching the descriptor. Must be called before the descriptor is closed.
    func unwatch(_ descriptor: Int32) { watches.value.unwatch(descriptor) }

    /// Calls `action` once, after this many milliseconds.
    func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
        watches.value.after(milliseconds: milliseconds, action)
    }
}

/// The descriptors and timers registered with a control loop. Used on the loop's thread only.
private final class Watches {
    private final class Action: LoopMember {
        private let action: () -> Void

        init(_ action: @escaping () -> Void) { self.action = action }

        override func ready(_ events: EventLoop.Events) { action() }
        override func deadlinePassed(now: UInt64) { action() }
    }

    private let loop: EventLoop
    private var watched: [Int32: Action] = [:]

    init(_ loop: EventLoop) { self.loop = loop }

    func watch(_ descriptor: Int32, _ action: @escaping () -> Void) {
        unwatch(descriptor)
        let member = Action(action)
        guard loop.register(member, descriptor: descriptor, interest: .read) else { return }
        watched[descriptor] = member
    }

    func unwatch(_ descriptor: Int32) {
        guard let member = watched.removeValue(forKey: descriptor) else { return }
        loop.remove(member)
    }

    func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
        loop.schedule(Action(action), at: MonotonicClock.now() + milliseconds * 1_000_000)
    }
}
