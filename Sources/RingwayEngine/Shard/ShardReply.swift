internal import CRingway
internal import Glibc
internal import RingwaySystem
internal import Synchronization

/// How a thread of the control plane waits until shards have done what it asked them.
final class ShardReply: Sendable {
    private let missing: Atomic<Int>
    private let bell: Int32

    /// - Parameter count: how many are asked.
    init(count: Int) {
        missing = Atomic(count)
        bell = HostCalls.event()
    }

    deinit { if bell >= 0 { HostCalls.close(bell) } }

    /// From a shard.
    func send() {
        guard missing.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
        if bell >= 0 { HostCalls.signal(bell) }
    }

    /// Whether all have replied.
    var isComplete: Bool { missing.load(ordering: .acquiring) <= 0 }

    /// Whether all have replied in time.
    @discardableResult
    func wait(milliseconds: Int32) -> Bool {
        guard bell >= 0 else { return look(milliseconds: milliseconds) }
        var entry = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    /// The same with no descriptor left to wait by: looks every millisecond.
    private func look(milliseconds: Int32) -> Bool {
        for _ in 0..<milliseconds where missing.load(ordering: .acquiring) > 0 { _ = poll(nil, 0, 1) }
        return missing.load(ordering: .acquiring) <= 0
    }
}
