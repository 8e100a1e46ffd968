internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import Synchronization

/// The thread on which all connections of a session are dialled and carried.
final class StreamThread: Sendable {
    /// A unix socket of the guest's that leads to a socket of the host's.
    struct Share: Sendable {
        /// The listening socket, non-blocking; it stays the caller's.
        let listener: Int32
        /// The name under which the host knows its socket.
        let name: String
    }

    /// What the thread is told.
    struct Orders: Sendable {
        var moreStreams = 0
        var isStopping = false
    }

    private let orders = Mutex(Orders())
    private let wakeUp: WakeUp
    private let threads = ThreadList()

    /// Starts the thread.
    ///
    /// - Parameter ready: streams that are kept connected ahead of time.
    init(_ line: HostLine, hello: Hello, ready: Int, shares: [Share]) throws(AgentFailure) {
        wakeUp = try WakeUp()
        let loop = try StreamLoop(line, hello: hello, ready: ready, shares: shares, wakeUp: wakeUp)
        // The loop is the thread's from here on.
        nonisolated(unsafe) let unshared = loop
        threads.add(try AgentThread("streams") { [self] in unshared.run { self.take() } })
    }

    private func take() -> Orders {
        wakeUp.take()
        return orders.withLock { orders in
            defer { orders.moreStreams = 0 }
            return orders
        }
    }

    /// Connects more streams, because clients wait for them.
    func connect(more count: Int) {
        orders.withLock { $0.moreStreams += count }
        wakeUp.call()
    }

    /// Ends all connections, which both sides see as resets, and the thread.
    func stop() {
        orders.withLock { $0.isStopping = true }
        wakeUp.call()
        threads.join()
    }
}
