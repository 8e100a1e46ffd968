import RingwayStack
import RingwayStorage
import RingwayWire

/// A shard whose guest and host are made up. The guest's frames come from a template of which sequence numbers are
/// patched; the host takes all payload at once and has as much as is asked for; a frame to the guest is looked at and
/// released. Around the stack it does what the engine's shard does, less the ring.
public struct PumpedShard: ~Copyable {
    /// Leases of this shard that may be with others at a time: far below what the flows' windows let a guest send.
    static var handedLimit: Int { 32 }
    private static var firstPort: Int { 10_000 }

    let index: Int
    let count: Int
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    /// `mailboxes[to * count + from]`.
    let mailboxes: UnsafeMutablePointer<Mailbox<HandedFrame>>
    var stack: Stack
    private(set) var now: UInt64 = 1_000_000_000
    private var nextPort = Self.firstPort
    /// The headers of a super-frame and of a segment; raw, as an object would be counted for each frame.
    private let superFrame = GuestFrame.headers(payload: 64_240)
    private let plainFrame = GuestFrame.headers(payload: 64)
    /// The same with timestamps, where the flows have them.
    let stampedSuperFrame = GuestFrame.headers(payload: 64_240, options: Self.timestamps)
    let stampedFrame = GuestFrame.headers(payload: 64, options: Self.timestamps)
    private let isStamped: Bool
    /// This shard's flows, by the slot that the stack keeps them in, and the slots by port.
    let flows: UnsafeMutablePointer<PumpedFlow>
    private let slots: UnsafeMutablePointer<UInt16>
    /// Flows of the next shard whose frames arrive here.
    let foreignFlows: UnsafeMutablePointer<PumpedFlow>
    var foreignCount = 0
    /// Leases of this shard that are with others.
    var handed = 0
    /// Frames that were given to others, ever.
    public internal(set) var framesHandedOver = 0
    /// Frames that the stack was given.
    var framesFromGuest = 0
    private(set) var framesToGuest = 0
    private(set) var bytesToHost = 0
    var isTransmitting = false

    init(
        _ configuration: Stack.Configuration, pool: UnsafeMutablePointer<BufferPool>,
        mailboxes: UnsafeMutablePointer<Mailbox<HandedFrame>>, isStamped: Bool
    ) {
        self.isStamped = isStamped
        index = configuration.shard
        count = configuration.shards
        space = pool.pointee.space
        self.pool = pool
        self.mailboxes = mailboxes
        stack = MemoryFailure.trap { [now] in
            try Stack(configuration, pool: pool, counters: Counters(), now: now)
        }
        flows = MemoryFailure.trap { try .allocateApart(capacity: 1_024) }
        foreignFlows = MemoryFailure.trap { try .allocateApart(capacity: 1_024) }
        slots = MemoryFailure.trap { try .allocateApart(capacity: 65_536 - Self.firstPort) }
    }

    deinit {
        stack.counters.deallocate()
        flows.deallocate()
        foreignFlows.deallocate()
        slots.deallocate()
        superFrame.deallocate()
        plainFrame.deallocate()
        stampedSuperFrame.deallocate()
        stampedFrame.deallocate()
        pool.deinitialize(count: 1)
        pool.deallocate()
    }

    // MARK: Turns

    @inline(__always)
    mutating func beginTurn() {
        now += 100_000
        stack.beginTurn(now: now)
    }

    @inline(__always)
    mutating func finishTurn() {
        while stack.runTimers() { perform() }
        while stack.finishTurn() { perform() }
        perform()
    }

    // MARK: The guest

    /// A frame that is there as a whole, in a turn of its own.
    mutating func receive(_ frame: GuestFrame) {
        beginTurn()
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone, "buffers leak")
        space.address(of: lease).copyMemory(from: frame.bytes, byteCount: frame.count)
        take(lease, length: frame.count)
        finishTurn()
    }

    /// The next segment of a flow. Only headers are written, the payload is whatever the buffer holds.
    @inline(__always)
    mutating func receiveSegment(_ flow: UnsafeMutablePointer<PumpedFlow>, payload: Int) {
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone, "buffers leak")
        let frame = space.address(of: lease)
        let source = payload > 1_460 ? superFrame : plainFrame
        frame.copyMemory(from: source, byteCount: GuestFrame.transport + 20)
        let transport = frame + GuestFrame.transport
        let length = UInt16(truncatingIfNeeded: 40 + payload)
        let old = UInt16(bigEndian: source.loadUnaligned(fromByteOffset: GuestFrame.network + 2, as: UInt16.self))
        if length != old { Self.setLength(frame + GuestFrame.network, old, length) }
        transport.storeBytes(of: flow.pointee.port.bigEndian, as: UInt16.self)
        transport.storeBytes(of: flow.pointee.guestNext.bigEndian, toByteOffset: 4, as: UInt32.self)
        transport.storeBytes(of: flow.pointee.stackNext.bigEndian, toByteOffset: 8, as: UInt32.self)
        flow.pointee.guestNext &+= UInt32(truncatingIfNeeded: payload)
        take(lease, length: GuestFrame.transport + 20 + payload)
    }

    /// Puts another length into an IPv4 header whose checksum is right (RFC 1624 §3).
    @inline(__always)
    static func setLength(_ header: UnsafeMutableRawPointer, _ old: UInt16, _ new: UInt16) {
        let checksum = header.load(fromByteOffset: 10, as: UInt16.self).bigEndian
        var sum = UInt32(~checksum) &+ UInt32(~old) &+ UInt32(new)
        sum = (sum & 0xFFFF) &+ sum >> 16
        sum = (sum & 0xFFFF) &+ sum >> 16
        header.storeBytes(of: new.bigEndian, toByteOffset: 2, as: UInt16.self)
        header.storeBytes(of: (~UInt16(truncatingIfNeeded: sum)).bigEndian, toByteOffset: 10, as: UInt16.self)
    }

    /// Gives a frame to the shard that owns its flow, as the engine does.
    @inline(__always)
    mutating func take(_ lease: Lease, length: Int) {
        stack.counters.add(.framesFromGuest)
        stack.counters.add(.bytesFromGuest, length)
        var summary = FrameSummary()
        let reason = FrameSummary.parse(
            UnsafeRawBufferPointer(start: space.address(of: lease), count: length), into: &summary)
        precondition(reason == .none, "the template is refused")
        let owner = summary.owner(shards: count, secret: PumpedShards.secret)
        if owner == index {
            framesFromGuest &+= 1
            stack.receiveFrame(summary, lease, length: length)
            perform()
        } else {
            post(lease, summary, length: length, to: owner)
        }
    }

    /// Opens a connection of which this shard is the owner.
    mutating func connect() -> PumpedFlow {
        var flow = PumpedFlow(port: nextOwnPort())
        // MSS 1460 and a window scale of 7 (RFC 9293 §3.2, RFC 7323 §2.2).
        let options: [UInt8] = [2, 4, 5, 180, 1, 3, 3, 7] + (isStamped ? Self.timestamps : [])
        opening = flow
        receive(
            .segment(
                payload: 0, sequence: flow.guestNext, acknowledgement: 0, port: flow.port, flags: [.syn],
                options: options))
        flow = flows[Int(opened)]
        flow.guestNext &+= 1
        flows[Int(opened)] = flow
        receive(
            .segment(
                payload: 0, sequence: flow.guestNext, acknowledgement: flow.stackNext, port: flow.port,
                options: isStamped ? Self.timestamps : []))
        precondition(flows[Int(opened)].asked > 0, "the connection did not open")
        return flows[Int(opened)]
    }

    private var opening = PumpedFlow(port: 0)
    private var opened: UInt32 = 0

    private mutating func nextOwnPort() -> UInt16 {
        while true {
            let port = UInt16(nextPort)
            nextPort += 1
            let key = FlowKey(
                guest: IPAddress(GuestFrame.guest), guestPort: port, remote: IPAddress(GuestFrame.remote),
                remotePort: 443, transport: .tcp)
            if count == 1 || key.owner(shards: count, secret: PumpedShards.secret) == index {
                return port
            }
        }
    }

    // MARK: The host

    /// Bytes from the host, as if they had just been received into a buffer.
    @inline(__always)
    mutating func receiveFromHost(_ flow: UnsafeMutablePointer<PumpedFlow>, byteCount: Int) {
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone && byteCount <= flow.pointee.asked)
        flow.pointee.asked = 0
        stack.streamReceived(flow.pointee.handle, lease, offset: Stack.headroom, length: byteCount)
        perform()
    }

    @inline(__always)
    mutating func perform() {
        while let effect = stack.effects.popFirst() {
            switch effect.kind {
            case .writeFrame: deliver(effect)
            case .sendStream: send(effect)
            case .receiveStream: flows[Int(effect.handle.slot)].asked = Int(effect.limit)
            case .connectStream: open(effect)
            case .inspectStream:
                stack.streamReported(effect.handle, .heard)
            // What the guest has shown of its addresses is for published ports.
            case .guestShown: break
            default: preconditionFailure("nobody expects this effect")
            }
        }
    }

    private mutating func open(_ effect: Effect) {
        let handle = effect.handle
        opening.handle = handle
        opened = effect.handle.slot
        (flows + Int(effect.handle.slot)).initialize(to: opening)
        slots[Int(opening.port) - Self.firstPort] = UInt16(effect.handle.slot)
        stack.streamOpened(handle, socket: 0)
        stack.streamConnected(handle)
    }

    /// The host takes all at once.
    @inline(__always)
    private mutating func send(_ effect: Effect) {
        let handle = effect.handle
        var byteCount = 0
        var lease = stack.unsentPayload(handle)
        while !lease.isNone {
            let state = space.state(of: lease)
            byteCount &+= Int(state.pointee.length)
            lease = state.pointee.next
        }
        bytesToHost &+= byteCount
        stack.streamSent(handle, bytes: byteCount)
    }

    /// The guest takes a frame: it notes how far the stream has come.
    @inline(__always)
    private mutating func deliver(_ effect: Effect) {
        framesToGuest &+= 1
        stack.counters.add(.framesToGuest)
        stack.counters.add(.bytesToGuest, Int(effect.length))
        let frame = space.address(of: effect.lease) + Int(effect.offset)
        if frame.load(fromByteOffset: GuestFrame.network + 9, as: UInt8.self) == IPProtocol.tcp,
            frame.loadUnaligned(fromByteOffset: VirtioNetHeader.length + 12, as: UInt16.self).bigEndian
                == EtherType.ipv4
        {
            let header = frame + GuestFrame.transport
            let port = header.loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
            let sequence = header.loadUnaligned(fromByteOffset: 4, as: UInt32.self).bigEndian
            let headerLength = Int(header.load(fromByteOffset: 12, as: UInt8.self) >> 4) &* 4
            let flags = header.load(fromByteOffset: 13, as: UInt8.self)
            let payload = Int(effect.length) &- GuestFrame.transport &- headerLength
            flows[Int(slots[Int(port) &- Self.firstPort])].stackNext =
                sequence &+ UInt32(truncatingIfNeeded: payload) &+ UInt32(flags >> 1 & 1)
        }
        pool.pointee.release(effect.lease)
    }
}
