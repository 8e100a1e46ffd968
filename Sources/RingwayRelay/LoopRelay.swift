internal import Glibc
public import RingwaySystem

/// What the relays of one event loop share: the loop, the pipes, and the count of the pipes' descriptors.
public final class RelayGroup {
    public let loop: EventLoop
    private var pipes: PipePool
    private var countedDescriptors = 0

    /// Whether more pipes may be created; called before each visit.
    public var mayGrow: () -> Bool = { true }
    /// Called with the change in the number of descriptors after pipes were created or closed.
    public var descriptorsChanged: (Int) -> Void = { _ in }

    /// - Parameter pipes: the most pipes at a time.
    public init(loop: EventLoop, pipes limit: Int) {
        self.loop = loop
        pipes = PipePool(limit: limit)
    }

    fileprivate func visit(_ relay: inout Relay) -> Relay.State {
        pipes.mayGrow = mayGrow()
        defer { countPipes() }
        return relay.visit(&pipes)
    }

    fileprivate func close(_ relay: inout Relay, reset: Bool) {
        relay.close(reset: reset, &pipes)
        countPipes()
    }

    private func countPipes() {
        let change = pipes.descriptors - countedDescriptors
        guard change != 0 else { return }
        countedDescriptors += change
        descriptorsChanged(change)
    }

    /// Reports all pipes' descriptors as closed. Called when the loop ends; the pipes are closed when the group is
    /// freed.
    public func settle() {
        descriptorsChanged(-countedDescriptors)
        countedDescriptors = 0
    }
}

/// A relay on an event loop, from opening its ends, which a subclass does, to closing them.
///
/// Both descriptors are registered edge-triggered. Before `begin`, events go to `negotiate`; afterwards they move
/// bytes or datagrams. The loop retains the relay while one of its descriptors is registered, so `end` must be called
/// before the loop ends.
open class LoopRelay: LoopMember {
    /// One of the two descriptors, as a member of the loop.
    private final class End: LoopMember {
        private unowned let relay: LoopRelay
        private let side: Relay.Side
        /// Set while the end is registered: the loop then retains the end, and the end retains the relay.
        private var holding: LoopRelay?

        init(_ relay: LoopRelay, _ side: Relay.Side) {
            self.relay = relay
            self.side = side
        }

        func hold(_ isWatched: Bool) { holding = isWatched ? relay : nil }

        override func ready(_ events: EventLoop.Events) { relay.ready(events, of: side) }
    }

    private enum Phase {
        case opening
        case stream
        case datagrams(DatagramRelay)
        case ended
    }

    public let group: RelayGroup
    /// The two descriptors, which the relay owns, and the number of bytes moved.
    public private(set) var relay: Relay
    private var phase = Phase.opening
    private lazy var nearEnd = End(self, .near)
    private lazy var farEnd = End(self, .far)

    /// - Parameters:
    ///   - near: a non-blocking descriptor, which the relay owns from now on; or -1 if it is not open yet.
    ///   - far: the same for the far end.
    ///   - farHasRecords: whether the far end is an agent's channel.
    public init(_ group: RelayGroup, near: Int32, far: Int32, farHasRecords: Bool) {
        self.group = group
        relay = Relay(near: near, far: far, farHasRecords: farHasRecords)
    }

    /// Whether both descriptors are closed.
    public var hasEnded: Bool {
        if case .ended = phase { return true }
        return false
    }

    /// Whether bytes or datagrams are being relayed.
    public var isMoving: Bool {
        switch phase {
        case .stream, .datagrams: true
        case .opening, .ended: false
        }
    }

    // MARK: Opening

    /// Sets the near end to a non-blocking descriptor, which the relay owns from now on.
    public func setNear(_ descriptor: Int32) { relay.near.descriptor = descriptor }

    /// Sets the far end in the same way.
    public func setFar(_ descriptor: Int32) { relay.far.descriptor = descriptor }

    /// Registers an open end with the loop, unless it is registered already. Returns false if the kernel refuses the
    /// registration.
    public func watch(_ side: Relay.Side) -> Bool {
        let (end, descriptor) = side == .near ? (nearEnd, relay.near.descriptor) : (farEnd, relay.far.descriptor)
        guard !end.isRegistered else { return true }
        guard group.loop.register(end, descriptor: descriptor, interest: .edges) else { return false }
        end.hold(true)
        return true
    }

    /// Relays bytes from now on.
    public func begin() {
        phase = .stream
        // Edges that epoll reported during opening are not reported again, so both ends are tried.
        relay.tryBoth()
        group.loop.resume(self)
    }

    /// Relays datagrams from now on: the near end is a connected UDP socket, the far one an agent's channel.
    public func beginDatagrams() {
        phase = .datagrams(DatagramRelay())
        group.loop.resume(self)
    }

    /// Sends to the far end a datagram that did not come through the near end, after those that already wait. Ignored
    /// unless datagrams are being relayed.
    public func add(_ datagram: [UInt8]) {
        guard case .datagrams(let datagrams) = phase else { return }
        datagrams.add(datagram)
        group.loop.resume(self)
    }

    // MARK: For subclasses

    /// Called when an end is ready before `begin`. The error of a failed connect is still pending on the socket.
    open func negotiate(_ events: EventLoop.Events, of side: Relay.Side) {}

    /// Called each time after the relay has tried to move bytes or datagrams.
    open func visited() {}

    /// Called once, when both descriptors are closed.
    open func ended(reset: Bool) {}

    // MARK: Moving

    fileprivate func ready(_ events: EventLoop.Events, of side: Relay.Side) {
        switch phase {
        case .ended: break
        case .opening:
            // `hasError` is false, because `note` would take the error from the socket, where `negotiate` looks for the
            // result of a connect.
            relay.note(
                Relay.Readiness(isReadable: events.isReadable, isWritable: events.isWritable, hasError: false), of: side
            )
            negotiate(events, of: side)
        case .stream:
            relay.note(
                Relay.Readiness(
                    isReadable: events.isReadable, isWritable: events.isWritable, hasError: events.hasError), of: side)
            group.loop.resume(self)
        case .datagrams: group.loop.resume(self)
        }
    }

    public final override func resumed() {
        let state: Relay.State
        switch phase {
        case .stream: state = group.visit(&relay)
        case .datagrams(let datagrams):
            state = datagrams.visit(channel: relay.far.descriptor, socket: relay.near.descriptor)
        case .opening, .ended: return
        }
        visited()
        switch state {
        case .idle: break
        case .busy: group.loop.resume(self)
        case .finished: end(reset: false)
        case .failed: end(reset: true)
        }
    }

    /// Closes both descriptors. Further calls do nothing.
    public final func end(reset: Bool) {
        guard !hasEnded else { return }
        phase = .ended
        for end in [nearEnd, farEnd] {
            group.loop.remove(end)
            end.hold(false)
        }
        group.loop.remove(self)
        group.close(&relay, reset: reset)
        ended(reset: reset)
    }
}
