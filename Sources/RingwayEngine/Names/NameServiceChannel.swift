internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// The channel of a guest's part to the DNS service: a socket pair. Each record on it is a tag and a DNS message.
///
/// The tag identifies the query in the stack and is returned with the answer, so the channel stores nothing per
/// query. A query is sent from the buffer of the guest's frame: the tag is written directly before the message, over
/// the frame's headers, which are no longer needed. If the DNS service is overloaded, so that the socket is full, the
/// query is dropped, and the guest's resolver repeats it.
struct NameServiceChannel: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// The multishot receive of answers.
        case receive
        /// The send of a query; the value of the operation's tag is the lease of its buffer.
        case send

        static var owner: OperationOwner { .names }
    }

    /// The length in bytes of the tag before each message.
    private static var tagLength: Int { 16 }

    /// `closed`: there is no DNS service, or the channel has ended. `missing`: no descriptor was free to open the
    /// channel, and the next query tries again. `idle`: the channel is open, but no receive of answers is armed.
    private enum State { case closed, missing, idle, receiving }

    private let shared: EngineShared
    private let counters: Counters
    private var state = State.closed
    /// The shard's end of the socket pair; -1 while the channel is not open.
    private var descriptor: Int32 = -1

    init(shared: EngineShared, counters: Counters) {
        self.shared = shared
        self.counters = counters
    }

    /// Opens the channel if there is a DNS service. Called on the shard's thread.
    mutating func open(_ core: inout ShardCore) {
        guard let service = shared.nameService else { return }
        guard let pair = Endpoint.pair(type: Int32(SOCK_SEQPACKET.rawValue)) else {
            state = .missing
            return counters.add(.descriptorsExhausted)
        }
        descriptor = pair.own
        state = .idle
        service.serve(datagrams: OwnedDescriptor(adopting: pair.other))
        retryStarved(&core)
    }

    /// Arms the receive of answers if none is armed and a buffer is free: at first, and again when the receive has
    /// ended for lack of buffers.
    @inline(__always)
    mutating func retryStarved(_ core: inout ShardCore) {
        guard state == .idle, core.receiveBuffers.available > 0 else { return }
        arm(&core)
    }

    private mutating func arm(_ core: inout ShardCore) {
        state = .receiving
        core.reactor.ring.receiveMultishot(descriptor, group: ShardCore.hostGroup, Operation.receive.tag())
    }

    /// Handles a completion of one of the component's operations.
    mutating func complete(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        switch Operation(completion.tag) {
        case .receive: received(completion, &core, &stack)
        case .send: sent(completion, &core, &stack)
        case nil: break
        }
    }

    /// Sends a DNS message from a guest's frame to the DNS service. Takes ownership of the lease.
    mutating func send(
        _ query: Handle, _ lease: Lease, offset: Int, length: Int, _ core: inout ShardCore, _ stack: inout Stack
    ) {
        if state == .missing { open(&core) }
        guard descriptor >= 0, state != .closed, offset >= Self.tagLength else {
            core.release(lease)
            return stack.queryRefused(query)
        }
        let start = core.space.address(of: lease) + offset - Self.tagLength
        start.storeBytes(of: UInt64(query.slot) << 32 | UInt64(query.generation), as: UInt64.self)
        start.storeBytes(of: shared.hasIPv6 ? 1 : 0, toByteOffset: 8, as: UInt64.self)
        core.space.state(of: lease).pointee.query = query
        core.reactor.ring.send(
            descriptor, start, length + Self.tagLength, flags: Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
            Operation.send.tag(lease))
    }

    private mutating func sent(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let lease = completion.tag.lease
        if completion.result < 0 { stack.queryRefused(core.space.state(of: lease).pointee.query) }
        core.release(lease)
    }

    private mutating func received(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        if !completion.hasMore, state == .receiving { state = .idle }
        if completion.hasBuffer {
            let lease = core.takeBuffer(completion)
            let headroom = core.receiveBuffers.headroom
            let length = Int(completion.result)
            if length > Self.tagLength {
                let tag = (core.space.address(of: lease) + headroom).loadUnaligned(as: UInt64.self)
                let query = Handle(
                    slot: UInt32(truncatingIfNeeded: tag >> 32), generation: UInt16(truncatingIfNeeded: tag))
                stack.queryAnswered(
                    query, lease, offset: headroom + Self.tagLength, length: length - Self.tagLength)
            } else {
                core.release(lease)
            }
        }
        guard state == .idle else { return }
        switch completion.result {
        // `retryStarved` arms the receive again when a buffer is free.
        case -ENOBUFS: break
        case 1..., -EAGAIN, -EINTR: arm(&core)
        default:
            // End of file or an error: the control plane has stopped the service. Queued queries refer to the socket by
            // its descriptor number, which may be reused, so they are submitted first.
            core.reactor.ring.submitAll()
            core.close(descriptor, reset: false)
            descriptor = -1
            state = .closed
        }
    }

    /// Whether the receive of answers waits for a buffer.
    var waitsForBuffers: Bool {
        mutating get { state == .idle }
    }

    /// Closes the channel, at the end of the guest.
    mutating func close(_ core: inout ShardCore) {
        defer { state = .closed }
        guard descriptor >= 0 else { return }
        if state == .receiving { core.cancel(Operation.receive.tag()) }
        core.close(descriptor, reset: false)
        descriptor = -1
    }

    /// Closes everything immediately, after the ring has failed.
    mutating func closeDescriptors() {
        if descriptor >= 0 { Endpoint.close(descriptor, reset: false) }
        descriptor = -1
        state = .closed
    }
}
