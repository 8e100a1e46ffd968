public import RingwayModel
internal import Synchronization

extension VirtualNetwork {
    /// An event on a network.
    public enum Event: Sendable, CustomStringConvertible {
        case guestAttached(Guest)
        /// A guest was detached; `reason` is a clause for users, such as "it was detached".
        case guestDetached(Guest, reason: String)
        /// A guest was assigned a new address.
        case leaseGiven(Guest)
        /// A new guest already uses an address that was free. The network has assigned that address to it.
        case addressKept(Guest)
        /// A guest sends from an IPv4 address that is not its own, and these frames are dropped. `reason` names a
        /// remedy.
        case addressRefused(Guest, IPAddress, reason: String)
        /// A guest's link has failed; the guest will be detached.
        case linkLost(Guest, reason: String)
        /// A listener of the network refused a connection, could not attach a guest, or could not bind its socket
        /// again. `link` is the listener's address.
        case guestRefused(link: String, reason: String)
        case forwardAdded(PublishedPort)
        case forwardRemoved(PublishedPort)
        /// Published ports could not be opened, or could not be forwarded to their guest; the network retries.
        case forwardFailed(PublishedPort, reason: String)
        /// A failed forward is published now.
        case forwardRecovered(PublishedPort)

        /// Clients of this place (a listening address or unix socket on the host) are forwarded to a guest by its
        /// agent. While the agent is not connected, they are refused.
        case agentForwardAdded(AgentPlace)
        case agentForwardRemoved(AgentPlace)
        /// The place is not permitted, could not be opened, or its clients cannot be accepted. The network retries
        /// forwards and places that follow a port. It does not retry a place that an agent requested: the agent repeats
        /// its request, if an earlier one was granted.
        case agentForwardFailed(AgentPlace, reason: String)

        case captureStarted(CaptureOptions)
        case captureEnded(CaptureStatus)
        /// A write to the file failed, and frames are being lost; the capture continues.
        case captureFailed(CaptureOptions, reason: String)
        /// Frames are written again. `lost` is the number of frames lost since writes began to fail.
        case captureResumed(CaptureOptions, lost: Int)

        /// One line for users.
        public var description: String {
            switch self {
            case .guestAttached(let guest): "guest \(guest) is attached"
            case .guestDetached(let guest, let reason): "guest \(guest) is gone: \(reason)"
            case .leaseGiven(let guest): "\(guest.ipv4) is given to \(guest.mac)"
            case .addressKept(let guest): "guest \(guest) keeps the address that it uses"
            case .addressRefused(let guest, let address, let reason):
                "what guest \(guest) sends from \(address) is dropped: \(reason)"
            case .linkLost(let guest, let reason): "the link of guest \(guest) is lost: \(reason)"
            case .guestRefused(let link, let reason): "\(link): \(reason)"
            case .forwardAdded(let port) where port.isChosen: "\(port.requested) is published as \(port.forward)"
            case .forwardAdded(let port): "\(port.forward) is published"
            case .forwardRemoved(let port): "\(port.forward) is no longer published"
            case .agentForwardAdded(let place): "\(place) is forwarded"
            case .agentForwardRemoved(let place): "\(place) is no longer forwarded"
            case .agentForwardFailed(let place, let reason): "\(place) is not forwarded: \(reason)"
            case .forwardFailed(let port, let reason):
                "\(port.forward) is not published, which is tried again: \(reason)"
            case .forwardRecovered(let port): "\(port.forward) is published after all"
            case .captureStarted(let options): "frames are captured to \(options.path)"
            case .captureEnded(let status):
                "the capture to \(status.options.path) has ended: \(status.frames) frames, \(status.dropped) lost"
            case .captureFailed(let options, let reason):
                "the capture to \(options.path) loses frames: \(reason); it is tried again each second"
            case .captureResumed(let options, let lost):
                "the capture to \(options.path) continues; \(lost) frames were lost"
            }
        }
    }

    /// A subscription to a network's events. It ends with `cancel`, or when the last reference to it is released.
    public final class Subscription: Sendable {
        private let ending: Mutex<(@Sendable () -> Void)?>

        init(_ ending: @escaping @Sendable () -> Void) { self.ending = Mutex(ending) }

        deinit { cancel() }

        /// Ends the subscription. Events that are being delivered at that moment may still reach the handler.
        public func cancel() {
            let action = ending.withLock { ending in
                defer { ending = nil }
                return ending
            }
            action?()
        }
    }

    /// Calls `handler` for each event, in order, on the network's control thread. The handler should return quickly,
    /// and may call the network's methods.
    public func subscribe(_ handler: @escaping @Sendable (Event) -> Void) -> Subscription {
        subscribe(handler, ended: {})
    }

    /// The events from now on, as a stream that ends after the network's last event. Of events that the consumer has
    /// not read yet, the newest 1,024 are kept.
    public var events: AsyncStream<Event> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1_024)) { continuation in
            let subscription = subscribe({ continuation.yield($0) }, ended: { continuation.finish() })
            continuation.onTermination = { _ in subscription.cancel() }
        }
    }

    /// Adds a subscription.
    ///
    /// - Parameter ended: called after the network's last event, or at once if the network has ended; not called if
    ///   the subscription was cancelled.
    private func subscribe(
        _ handler: @escaping @Sendable (Event) -> Void, ended: @escaping @Sendable () -> Void
    ) -> Subscription {
        guard let number = subscribers.withLock({ $0.add(handler, ended: ended) }) else {
            ended()
            return Subscription {}
        }
        return Subscription { [weak self] in self?.subscribers.withLock { $0.remove(number) } }
    }

    /// Ends all subscriptions: no event is delivered from now on, and the `ended` handlers are called.
    func endSubscriptions() {
        // The handlers are called outside the lock: `ended` finishes a stream, whose termination handler cancels the
        // subscription, and `cancel` takes the lock.
        for ended in subscribers.withLock({ $0.end() }) { ended() }
    }

    func report(_ event: Event) { report([event]) }

    func report(_ events: [Event]) {
        guard subscribers.withLock({ !$0.isEmpty }) else { return }
        loop.post { [weak self] in
            guard let handlers = self?.subscribers.withLock({ $0.handlers }) else { return }
            for event in events {
                for handler in handlers { handler(event) }
            }
        }
    }
}

/// The subscriptions to a network's events.
struct SubscriberList {
    private struct Entry {
        let number: Int
        let handler: @Sendable (VirtualNetwork.Event) -> Void
        let ended: @Sendable () -> Void
    }

    private var entries: [Entry] = []
    private var next = 0
    private var hasEnded = false

    var isEmpty: Bool { entries.isEmpty }
    var handlers: [@Sendable (VirtualNetwork.Event) -> Void] { entries.map(\.handler) }

    /// Adds a subscription. Returns the number by which to remove it, or `nil` after `end`.
    mutating func add(
        _ handler: @escaping @Sendable (VirtualNetwork.Event) -> Void, ended: @escaping @Sendable () -> Void
    ) -> Int? {
        guard !hasEnded else { return nil }
        next += 1
        entries.append(Entry(number: next, handler: handler, ended: ended))
        return next
    }

    mutating func remove(_ number: Int) { entries.removeAll { $0.number == number } }

    /// Removes all subscriptions, and accepts no further ones. Returns their `ended` handlers.
    mutating func end() -> [@Sendable () -> Void] {
        defer { entries = [] }
        hasEnded = true
        return entries.map(\.ended)
    }
}
