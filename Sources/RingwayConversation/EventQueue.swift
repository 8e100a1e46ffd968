internal import CRingway
internal import Glibc

/// epoll(7), edge-triggered: each change of a descriptor is told once.
public struct EventQueue: ~Copyable {
    /// What a descriptor tells.
    public struct Event {
        /// What the descriptor was registered under.
        public let tag: UInt64
        /// There may be something to read, an end included.
        public let isReadable: Bool
        /// There may be room.
        public let isWritable: Bool
        /// The connection has failed.
        public let hasError: Bool
    }

    /// Readable while there is something to tell.
    public let descriptor: Int32
    private var events = [epoll_event](repeating: epoll_event(), count: 256)

    /// Makes the queue.
    public init() throws(AgentFailure) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make an event queue") }
    }

    deinit { close(descriptor) }

    /// Watches a descriptor until it is closed.
    public func add(_ watched: Int32, tag: UInt64) -> Bool {
        var event = epoll_event()
        event.events =
            EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        event.data.u64 = tag
        return epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0
    }

    /// Watches a descriptor that is told of again for as long as something can be read from it.
    public func addReadable(_ watched: Int32, tag: UInt64) -> Bool {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        event.data.u64 = tag
        return epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0
    }

    /// Watches a descriptor no longer.
    public func remove(_ watched: Int32) { epoll_ctl(descriptor, EPOLL_CTL_DEL, watched, nil) }

    /// Waits for so many milliseconds, for ever when negative, and hands over what has happened.
    public mutating func wait(milliseconds: Int32, _ body: (Event) -> Void) {
        let count = epoll_wait(descriptor, &events, Int32(events.count), milliseconds)
        for index in 0..<max(0, Int(count)) {
            let bits = events[index].events
            body(
                Event(
                    tag: events[index].data.u64,
                    isReadable: bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue)
                        != 0,
                    isWritable: bits & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0,
                    hasError: bits & EPOLLERR.rawValue != 0))
        }
    }
}
