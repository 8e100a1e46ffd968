internal import RingwayReactor
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// What is posted to a guest on a shard, or to the shard: always the sole ownership of something.
struct ShardMessage: BitwiseCopyable, Sendable {
    enum Kind: UInt8, BitwiseCopyable {
        /// A frame whose flow belongs to the receiver, parsed.
        case frame
        /// A frame of a neighbour for the guest.
        case neighborFrame
        /// A chain of leases that come home to the shard.
        case leases
        /// A client of a published port whose connection belongs to the receiver.
        case accepted
    }

    let kind: Kind
    /// The guest that it is for.
    private(set) var place = GuestPlace.none
    /// Of a frame, or the first of a chain.
    private(set) var lease = Lease.none
    /// Of a frame, in bytes.
    private(set) var length: UInt32 = 0
    private(set) var summary = FrameSummary()
    private(set) var client = PortClient.none

    /// Leases that come home.
    init(leases chain: Lease) {
        kind = .leases
        lease = chain
    }

    init(frame: Lease, length: Int, _ summary: FrameSummary, to place: GuestPlace) {
        kind = .frame
        self.place = place
        lease = frame
        self.length = UInt32(length)
        self.summary = summary
    }

    init(neighborFrame frame: Lease, length: Int, to place: GuestPlace) {
        kind = .neighborFrame
        self.place = place
        lease = frame
        self.length = UInt32(length)
    }

    init(accepted client: PortClient, to place: GuestPlace) {
        kind = .accepted
        self.place = place
        self.client = client
    }
}

/// The mailboxes of all pairs of shards, and how to wake each shard.
///
/// Tables in bare memory, written before any shard runs: reading an array counts a reference to it, and all shards would
/// write that count.
struct ShardNetwork: @unchecked Sendable {
    // Sendable: nothing is written after `init`.
    private let bells: UnsafeMutablePointer<Unmanaged<Doorbell>>
    private let boxes: UnsafeMutablePointer<Mailbox<ShardMessage>>
    let count: Int

    /// - Parameter buffers: large buffers of a shard. Each message but a few carries one, so a mailbox that holds twice as
    ///   many cannot be full of frames.
    init(count: Int, buffers: Int) throws(SystemError) {
        var depth: UInt32 = 1_024
        while Int(depth) < 2 * buffers { depth *= 2 }
        self.count = count
        let bells = UnsafeMutablePointer<Unmanaged<Doorbell>>.allocate(capacity: count)
        for index in 0..<count {
            do throws(SystemError) {
                (bells + index).initialize(to: .passRetained(try Doorbell()))
            } catch {
                for made in 0..<index { bells[made].release() }
                bells.deallocate()
                throw error
            }
        }
        self.bells = bells
        boxes = .allocate(capacity: count * count)
        for index in 0..<count * count {
            do throws(MemoryFailure) {
                (boxes + index).initialize(to: try Mailbox(capacity: depth))
            } catch {
                for made in 0..<index { boxes[made].deallocate() }
                boxes.deallocate()
                for made in 0..<count { bells[made].release() }
                bells.deallocate()
                throw SystemError(error)
            }
        }
    }

    /// Gives the memory back; no shard may run any more.
    func deallocate() {
        for index in 0..<count * count { boxes[index].deallocate() }
        boxes.deallocate()
        for index in 0..<count { bells[index].release() }
        bells.deallocate()
    }

    /// Whether another shard has posted to this one.
    @inline(__always)
    func hasMail(for shard: Int) -> Bool {
        if count == 1 { return false }
        for sender in 0..<count where !mailbox(to: shard, from: sender).isEmpty { return true }
        return false
    }

    func doorbell(of shard: Int) -> Doorbell { bells[shard].takeUnretainedValue() }

    /// The doorbell without a reference counted to it, for the path of every frame.
    @inline(__always)
    func withDoorbell(of shard: Int, _ body: (Doorbell) -> Void) { bells[shard]._withUnsafeGuaranteedRef(body) }

    /// What `sender` posts to and `receiver` takes from.
    @inline(__always)
    func mailbox(to receiver: Int, from sender: Int) -> Mailbox<ShardMessage> { boxes[receiver &* count &+ sender] }
}
