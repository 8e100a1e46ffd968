internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStorage

/// Where frames of the guest's neighbours arrive: a socket that the first shard reads.
///
/// The kernel fills buffers of the inbox's own, which it is given by `NeighborBudget` at the end of a turn: neighbours
/// neither take buffers from host sockets nor come before them.
struct NeighborInbox: ~Copyable {
    private enum State {
        /// There is no inbox, or it is the caller's to close.
        case closed
        /// Frames stay in the socket.
        case idle
        case receiving
        /// The other end is closed.
        case ended
    }

    /// -1 when there is none; the descriptor is the inbox's.
    private var descriptor: Int32
    private var state: State
    /// There are buffers where there is an inbox.
    private var buffers: LeaseRing?
    private var budget = NeighborBudget()

    /// - Parameter descriptor: adopted once nothing can fail any more; -1 for no inbox.
    init(_ descriptor: Int32, _ ring: inout Ring, headroom: Int, reserve: Int) throws(RingError) {
        buffers =
            descriptor < 0
            ? nil
            : try LeaseRing(
                &ring, capacity: NeighborBudget.most, least: NeighborBudget.most, group: ShardCore.neighborGroup,
                headroom: headroom, reserve: reserve)
        self.descriptor = descriptor
        state = descriptor < 0 ? .closed : .idle
    }

    /// Whether the kernel has fewer buffers than it may have. When it has all of them there are no frames.
    @inline(__always)
    var wantsBuffers: Bool {
        mutating get {
            state == .idle || state == .receiving && (buffers?.available ?? 0) < NeighborBudget.most
        }
    }

    /// When frames that had to stay may be taken; `nil` when none are known to be there.
    var deadline: UInt64? { state == .idle ? budget.nextLot : nil }

    /// Bytes that the link may hold and still count as quiet.
    var quietBytes: Int { budget.quietBytes }

    /// Gives the kernel what the budget grants, and receives.
    mutating func feed(
        _ ring: inout Ring, from pool: UnsafeMutablePointer<BufferPool>, isLinkQuiet: Bool, now: UInt64,
        _ tag: OperationTag
    ) {
        let frames = budget.frames(isLinkQuiet: isLinkQuiet, now: now)
        guard frames > 0, buffers?.fill(upTo: frames, from: pool) == true, state == .idle else { return }
        state = .receiving
        ring.receiveMultishot(descriptor, group: ShardCore.neighborGroup, tag)
    }

    /// Takes a completion: the lease that it has filled, if any.
    mutating func take(_ completion: Completion) -> Lease {
        if !completion.hasMore {
            switch completion.result {
            case 1..., -ENOBUFS, -EAGAIN, -EINTR: state = .idle
            // The engine itself holds the other end, so this is the end of everything.
            default: state = .ended
            }
        }
        guard completion.hasBuffer else { return .none }
        budget.note(bytes: Int(completion.result))
        return buffers?.take(completion.bufferIdentifier) ?? .none
    }

    /// The descriptor of an inbox that has ended, which is the caller's to close, because the ring may still know it.
    mutating func takeEnded() -> Int32? {
        guard state == .ended else { return nil }
        defer { descriptor = -1 }
        state = .closed
        return descriptor
    }

    /// Closes the inbox, at the end of the ring.
    mutating func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        state = .closed
    }
}
