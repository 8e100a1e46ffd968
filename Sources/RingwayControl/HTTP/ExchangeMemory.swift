internal import CRingway
internal import NIOCore
internal import NIOPosix

/// Counts the bytes of the request and response bodies of all connections of a server, and limits them.
///
/// A connection has at most one request and one response in memory, but there may be many connections. While the
/// limit is exceeded, the connection with the most bytes is closed. Freed memory is returned to the kernel, because
/// requests are rare. Used only on the thread of the connections.
final class ExchangeMemory {
    /// The limit, in bytes.
    static var most: Int { 64 << 20 }
    /// Memory is returned to the kernel once this many bytes have been freed, but at most once per `interval`.
    private static var returned: Int { 64 << 10 }
    private static var interval: TimeAmount { .milliseconds(50) }

    /// A connection that can be closed.
    protocol Holder: AnyObject {
        func evict()
    }

    private struct Share {
        let holder: any Holder
        var bytes: Int
    }

    private let workers: NIOThreadPool
    private var shares: [ObjectIdentifier: Share] = [:]
    private(set) var held = 0
    /// Bytes freed since memory was last returned to the kernel.
    private var released = 0
    /// When memory may be returned to the kernel again.
    private var due = NIODeadline.uptimeNanoseconds(0)
    private var isScheduled = false

    init(workers: NIOThreadPool) { self.workers = workers }

    /// Adds bytes to a connection's use. Closes the connections with the most bytes while the limit is exceeded.
    func take(_ bytes: Int, for holder: any Holder) {
        guard bytes > 0 else { return }
        held += bytes
        shares[ObjectIdentifier(holder), default: Share(holder: holder, bytes: 0)].bytes += bytes
        while held > Self.most, let largest = shares.values.max(by: { $0.bytes < $1.bytes }) {
            release(largest.bytes, of: largest.holder)
            largest.holder.evict()
        }
    }

    /// Subtracts bytes from a connection's use, but not more than it has.
    func release(_ bytes: Int, of holder: any Holder) {
        guard var share = shares[ObjectIdentifier(holder)] else { return }
        let freed = min(bytes, share.bytes)
        share.bytes -= freed
        shares[ObjectIdentifier(holder)] = share.bytes > 0 ? share : nil
        held -= freed
        released += freed
    }

    /// Returns memory to the kernel if enough has been freed. If memory was returned less than `interval` ago, it is
    /// returned again at the end of the interval, once for all calls until then.
    func trim(on eventLoop: any EventLoop) {
        guard released >= Self.returned, !isScheduled else { return }
        guard due > .now() else { return returnMemory() }
        isScheduled = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(deadline: due) {
            bound.value.isScheduled = false
            bound.value.returnMemory()
        }
    }

    private func returnMemory() {
        due = .now() + Self.interval
        released = 0
        workers.submit { _ in ringway_return_memory() }
    }
}
