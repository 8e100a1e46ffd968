internal import CRingway
internal import Glibc

/// Carries the news that the guest's interface is gone from a shard's thread to the main one.
final class LinkLoss: Sendable {
    /// Readable once the link is lost.
    let descriptor: Int32

    init() { descriptor = ringway_event_descriptor() }

    deinit { close(descriptor) }

    /// May be called on any thread.
    func report() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }
}
