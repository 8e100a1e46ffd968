internal import CRingway
internal import NIOCore
internal import NIOPosix

/// Bytes of request and response bodies that all connections of a server hold together.
///
/// Each connection holds one exchange at the most; but there may be many connections. Beyond the bound the connection
/// that holds most is closed. Memory that was held is returned to the system, because such exchanges are rare.
/// Confined to the thread of the connections.
final class ExchangeMemory {
    /// Bytes that may be held.
    static var most: Int { 64 << 20 }
    /// Bytes after which memory is given back, and how long others may add to that.
    private static var returned: Int { 64 << 10 }
    private static var delay: TimeAmount { .milliseconds(250) }

    /// A connection that can be closed.
    protocol Holder: AnyObject {
        func giveWay()
    }

    private struct Share {
        let holder: any Holder
        var bytes: Int
    }

    private let workers: NIOThreadPool
    private var shares: [ObjectIdentifier: Share] = [:]
    private(set) var held = 0
    /// Bytes that have been released since memory was given back.
    private var released = 0
    private var isReturning = false

    init(workers: NIOThreadPool) { self.workers = workers }

    /// A connection holds this number of bytes more.
    func take(_ bytes: Int, for holder: any Holder) {
        guard bytes > 0 else { return }
        held += bytes
        shares[ObjectIdentifier(holder), default: Share(holder: holder, bytes: 0)].bytes += bytes
        while held > Self.most, let largest = shares.values.max(by: { $0.bytes < $1.bytes }) {
            release(largest.bytes, of: largest.holder)
            largest.holder.giveWay()
        }
    }

    /// A connection holds this number of bytes less; bytes that were released before are not counted again.
    func release(_ bytes: Int, of holder: any Holder) {
        guard var share = shares[ObjectIdentifier(holder)] else { return }
        let freed = min(bytes, share.bytes)
        share.bytes -= freed
        shares[ObjectIdentifier(holder)] = share.bytes > 0 ? share : nil
        held -= freed
        released += freed
    }

    /// Returns memory to the system, soon and once for all requests meanwhile, if that is worth it.
    func trim(on eventLoop: any EventLoop) {
        guard released >= Self.returned, !isReturning else { return }
        isReturning = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: Self.delay) { [workers] in
            bound.value.isReturning = false
            bound.value.released = 0
            workers.submit { _ in ringway_return_memory() }
        }
    }
}
