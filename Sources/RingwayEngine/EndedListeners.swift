internal import RingwayHost
internal import Synchronization

/// How shards give the sockets back that the control plane asks them to listen at no longer. The control plane closes
/// them: thousands of ports take tens of milliseconds, for which no shard is held up.
final class EndedListeners: Sendable {
    private let reply: ShardReply
    private let descriptors = Mutex<[Int32]>([])

    /// - Parameter shards: how many are asked.
    init(shards: Int) { reply = ShardReply(count: shards) }

    /// A shard that replied late has nobody who closes them but this.
    deinit { for descriptor in take() { Endpoint.close(descriptor, reset: false) } }

    /// From a shard, once: those of its sockets that the kernel does nothing with any more.
    func give(_ ended: [Int32]) {
        descriptors.withLock { $0 += ended }
        reply.send()
    }

    /// Those that the shards have given back, after waiting until all have, or for so long.
    func take(within milliseconds: Int32) -> [Int32] {
        reply.wait(milliseconds: milliseconds)
        return take()
    }

    private func take() -> [Int32] {
        descriptors.withLock { descriptors in
            defer { descriptors = [] }
            return descriptors
        }
    }
}
