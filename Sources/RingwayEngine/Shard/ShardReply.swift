internal import CRingway
internal import Glibc
internal import RingwaySystem
internal import Synchronization

/// Lets a thread of the control plane wait until shards have carried out its commands.
final class ShardReply: Sendable {
    private let missing: Atomic<Int>
    private let bell: Int32

    /// - Parameter count: the number of replies to wait for.
    init(count: Int) {
        missing = Atomic(count)
        bell = HostCalls.event()
    }

    deinit { if bell >= 0 { HostCalls.close(bell) } }

    /// Called by a shard when it has carried out a command.
    func send() {
        guard missing.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        if bell >= 0 { HostCalls.signal(bell) }
    }

    /// Whether all replies have been sent.
    var isComplete: Bool { missing.load(ordering: .acquiring) <= 0 }

    /// Waits for all replies; false if the timeout has passed.
    @discardableResult
    func wait(milliseconds: Int32) -> Bool {
        guard bell >= 0 else { return look(milliseconds: milliseconds) }
        return Readiness.wait(for: bell, milliseconds: milliseconds)
    }

    /// `wait` without an eventfd, if none could be opened: checks the count every millisecond.
    private func look(milliseconds: Int32) -> Bool {
        let deadline = MonotonicClock.now() + UInt64(max(0, milliseconds)) * 1_000_000
        while !isComplete, MonotonicClock.now() < deadline { _ = poll(nil, 0, 1) }
        return isComplete
    }
}
