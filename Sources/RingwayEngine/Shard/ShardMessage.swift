internal import RingwayReactor
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// A message to a guest on a shard, or to the shard itself. It always transfers the ownership of a buffer or a client.
struct ShardMessage: BitwiseCopyable, Sendable {
    enum Kind: UInt8, BitwiseCopyable {
        /// A parsed frame whose flow the receiver owns.
        case frame
        /// A frame for the guest from a neighbour: another guest on the same network.
        case neighborFrame
        /// A chain of released buffers (leases) that belong to the receiving shard's pool.
        case leases
        /// A client of a published port whose connection the receiver owns.
        case accepted
    }

    let kind: Kind
    /// The guest that receives the message; `none` if it is for the shard.
    private(set) var place = GuestPlace.none
    /// The frame's buffer, or the first lease of a chain.
    private(set) var lease = Lease.none
    /// The frame's length in bytes.
    private(set) var length: UInt32 = 0
    private(set) var summary = FrameSummary()
    private(set) var client = PortClient.none

    /// A message that returns released leases to the shard to which they belong.
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

/// The mailboxes between all pairs of shards, and the doorbells that wake the shards.
///
/// The tables are raw memory, written before any shard runs. Reading a Swift array would write its reference count,
/// and all shards would contend for that cache line.
struct ShardNetwork: @unchecked Sendable {
    // Sendable: nothing is written after `init`.
    private let bells: UnsafeMutablePointer<Unmanaged<Doorbell>>
    private let boxes: UnsafeMutablePointer<Mailbox<ShardMessage>>
    let count: Int

    /// - Parameter buffers: the number of a shard's large buffers. A mailbox has room for twice as many messages.
    ///   Almost every message carries a large buffer, so frames cannot fill the mailbox.
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

    /// Frees the memory. No shard may be running.
    func deallocate() {
        for index in 0..<count * count { boxes[index].deallocate() }
        boxes.deallocate()
        for index in 0..<count { bells[index].release() }
        bells.deallocate()
    }

    /// Whether messages from other shards wait for this shard.
    @inline(__always)
    func hasMail(for shard: Int) -> Bool {
        if count == 1 { return false }
        for sender in 0..<count where !mailbox(to: shard, from: sender).isEmpty { return true }
        return false
    }

    func doorbell(of shard: Int) -> Doorbell { bells[shard].takeUnretainedValue() }

    /// Calls `body` with the doorbell without counting a reference, because this runs for every frame.
    @inline(__always)
    func withDoorbell(of shard: Int, _ body: (Doorbell) -> Void) { bells[shard]._withUnsafeGuaranteedRef(body) }

    /// The mailbox in which `sender` posts messages for `receiver`.
    @inline(__always)
    func mailbox(to receiver: Int, from sender: Int) -> Mailbox<ShardMessage> { boxes[receiver &* count &+ sender] }
}
