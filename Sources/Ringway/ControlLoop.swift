internal import RingwaySystem

/// A network's one thread of control: it waits for descriptors and times, and does one thing after the other.
///
/// It starts when it is first needed. What is watched belongs to its thread alone.
final class ControlLoop: Sendable {
    private let thread: LoopThread
    private let watches: LoopConfined<Watches>

    init() throws(SystemError) {
        thread = try LoopThread("ringway-control")
        watches = LoopConfined(to: thread) { Watches($0) }
    }

    // MARK: From any thread

    /// Has the loop's thread do something. What comes after `stop` is not done.
    func post(_ work: @escaping @Sendable () -> Void) { thread.post { _ in work() } }

    /// The same, and returns when it is done; at once where the caller is the loop's own thread.
    func perform(_ work: @escaping @Sendable () -> Void) { thread.perform { _ in work() } }

    /// Does what was posted, then ends the thread; returns when it has ended, unless it is the caller.
    func stop() { thread.stop() }

    // MARK: From the loop's thread

    /// Calls `action` whenever the descriptor is readable or broken, and no other action from now on.
    func watch(_ descriptor: Int32, _ action: @escaping () -> Void) { watches.value.watch(descriptor, action) }

    /// To be called before the descriptor is closed.
    func unwatch(_ descriptor: Int32) { watches.value.unwatch(descriptor) }

    /// Calls `action` once, after so many milliseconds.
    func after(milliseconds: UInt64, _ action: @escaping () -> Void) {
        watches.value.after(milliseconds: milliseconds, action)
    }
}

/// What a control loop waits for, on its thread.
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
