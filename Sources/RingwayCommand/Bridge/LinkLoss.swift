internal import CRingway
internal import Glibc

/// Notifies the main thread, from a shard's thread, that the guest's link has failed, for example because the guest's
/// interface was deleted.
final class LinkLoss: Sendable {
    /// Readable once the link has failed.
    let descriptor: Int32

    init() { descriptor = ringway_event_descriptor() }

    deinit { close(descriptor) }

    /// May be called on any thread.
    func report() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }
}
