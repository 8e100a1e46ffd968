internal import Glibc
public import RingwaySystem

/// What the relays of one event loop share: the loop, the pipes, and the accounts of the pipes' descriptors.
public final class RelayGroup {
    public let loop: EventLoop
    private var pipes: PipePool
    private var countedDescriptors = 0

    /// Whether further pipes may be made; asked before each visit.
    public var mayGrow: () -> Bool = { true }
    /// Called with the change when pipes have been made or closed, in descriptors.
    public var descriptorsChanged: (Int) -> Void = { _ in }

    /// - Parameter pipes: how many may exist at once.
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

    /// Forgets what has been counted, at the end of the loop: the pipes go with the group.
    public func settle() {
        descriptorsChanged(-countedDescriptors)
        countedDescriptors = 0
    }
}

/// A relay on an event loop, from the opening of its ends, which is its subclass's business, to their closing.
///
/// Both descriptors are watched by edges. Before `begin` events go to `negotiate`; afterwards they move bytes, or
/// datagrams. The loop holds it while one of its descriptors is watched; its owner ends it before the loop goes.
open class LoopRelay: LoopMember {
    /// One of the two descriptors.
    private final class End: LoopMember {
        private unowned let relay: LoopRelay
        private let side: Relay.Side
        /// The loop holds the end, and the end the relay, while it is watched.
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
    /// The two ends, which it owns, and what has moved between them.
    public private(set) var relay: Relay
    private var phase = Phase.opening
    private lazy var nearEnd = End(self, .near)
    private lazy var farEnd = End(self, .far)

    /// - Parameters:
    ///   - near: a descriptor that does not block, adopted; or -1 for one that is not there yet.
    ///   - far: the same.
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

    /// Whether bytes or datagrams move.
    public var isMoving: Bool {
        switch phase {
        case .stream, .datagrams: true
        case .opening, .ended: false
        }
    }

    // MARK: Opening

    /// Gives the relay its near end, a descriptor that does not block, which is adopted.
    public func setNear(_ descriptor: Int32) { relay.near.descriptor = descriptor }

    /// Gives the relay its far end in the same way.
    public func setFar(_ descriptor: Int32) { relay.far.descriptor = descriptor }

    /// Begins to watch an end that is there; false where the kernel does not. Does nothing for one that is watched.
    public func watch(_ side: Relay.Side) -> Bool {
        let (end, descriptor) = side == .near ? (nearEnd, relay.near.descriptor) : (farEnd, relay.far.descriptor)
        guard !end.isRegistered else { return true }
        guard group.loop.register(end, descriptor: descriptor, interest: .edges) else { return false }
        end.hold(true)
        return true
    }

    /// Moves bytes from now on.
    public func begin() {
        phase = .stream
        // Events that came while the ends were opened have been used up.
        relay.tryBoth()
        group.loop.resume(self)
    }

    /// Moves datagrams from now on: the near end is a connected UDP socket, the far one an agent's channel.
    public func beginDatagrams() {
        phase = .datagrams(DatagramRelay())
        group.loop.resume(self)
    }

    /// Adds a datagram for the far end that came by another way than the near one.
    public func add(_ datagram: [UInt8]) {
        guard case .datagrams(let datagrams) = phase else { return }
        datagrams.add(datagram)
        group.loop.resume(self)
    }

    // MARK: For subclasses

    /// An end is ready before the relay has begun. A connect that failed has left its error with the socket.
    open func negotiate(_ events: EventLoop.Events, of side: Relay.Side) {}

    /// Something may have moved.
    open func visited() {}

    /// Both descriptors are closed; called once.
    open func ended(reset: Bool) {}

    // MARK: Moving

    fileprivate func ready(_ events: EventLoop.Events, of side: Relay.Side) {
        switch phase {
        case .ended: break
        case .opening:
            // The error of a connect is for the one who asks how the connect went.
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

    /// Closes both descriptors; once.
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
