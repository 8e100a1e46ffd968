internal import NIOCore
internal import Ringway
internal import Synchronization

/// Distributes a network's events to the clients of the event stream. Each event is encoded once for all clients. A
/// slow client does not delay the others, and the memory for the events that it has not read is bounded.
final class EventBroadcast: Sendable {
    /// The most events that wait for the thread of the connections; further ones are counted as lost.
    private static var mostWaiting: Int { 1_024 }
    /// The number of recent events that are kept for diagnostics, each as a line of text.
    private static var mostRecent: Int { 256 }

    private struct Inbox {
        var waiting: [ByteBuffer] = []
        var lost = 0
        var number: UInt64 = 0
        var listeners = 0
        var isAwaited = false
        var recent: [String] = []
    }

    private let inbox = Mutex(Inbox())
    private let eventLoop: any EventLoop
    private let streams: NIOLoopBoundBox<[ObjectIdentifier: EventStream]>
    private let subscription = Mutex<VirtualNetwork.Subscription?>(nil)

    init(_ network: VirtualNetwork, on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        streams = .makeBoxSendingValue([:], eventLoop: eventLoop)
        let subscription = network.subscribe { [weak self] event in self?.take(event) }
        self.subscription.withLock { $0 = subscription }
    }

    /// The last `mostRecent` events, each as a line of text.
    var recent: [String] { inbox.withLock { $0.recent } }

    func stop() { subscription.withLock { $0 = nil } }

    // MARK: On the network's thread

    private func take(_ event: VirtualNetwork.Event) {
        let mustWake = inbox.withLock { inbox -> Bool in
            inbox.number += 1
            if inbox.recent.count == Self.mostRecent { inbox.recent.removeFirst() }
            inbox.recent.append("\(event)")
            guard inbox.listeners > 0 else { return false }
            if inbox.waiting.count < Self.mostWaiting {
                inbox.waiting.append(ByteBuffer(bytes: EventMessage.bytes(of: event, number: inbox.number)))
            } else {
                inbox.lost += 1
            }
            defer { inbox.isAwaited = true }
            return !inbox.isAwaited
        }
        if mustWake { eventLoop.execute { [weak self] in self?.hand() } }
    }

    // MARK: On the connections' thread

    func add(_ stream: EventStream) {
        streams.value[ObjectIdentifier(stream)] = stream
        inbox.withLock { $0.listeners += 1 }
    }

    func remove(_ stream: EventStream) {
        guard streams.value.removeValue(forKey: ObjectIdentifier(stream)) != nil else { return }
        inbox.withLock { $0.listeners -= 1 }
    }

    private func hand() {
        let (events, lost) = inbox.withLock { inbox in
            defer {
                inbox.waiting.removeAll(keepingCapacity: true)
                inbox.lost = 0
                inbox.isAwaited = false
            }
            return (inbox.waiting, inbox.lost)
        }
        for stream in streams.value.values {
            for event in events { stream.offer(event) }
            if lost > 0 { stream.lose(lost) }
            stream.flush()
        }
    }
}
