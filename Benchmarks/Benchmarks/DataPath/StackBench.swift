import RingwayStack
import RingwayStorage
import RingwayWire

/// A stack whose guest and host are this object: frames are made up, payload goes nowhere.
final class StackBench {
    private let space: BufferSpace
    private let pool: UnsafeMutablePointer<BufferPool>
    private var stack: Stack
    private var now: UInt64 = 1_000_000_000
    /// What the guest sends next, and what it has received up to.
    private var guestNext: UInt32 = 1_000
    private var stackNext: UInt32 = 0
    private var flow = Handle(slot: 0, generation: 0)
    /// Octets that the stack would receive from the host now.
    private(set) var asked = 0
    /// Octets of payload that went to the host, frames that went to the guest.
    private(set) var octetsToHost = 0
    private(set) var framesToGuest = 0

    init() {
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(
                ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD00_0000_0000_0001, low: 0), mtu: 1_500)
        else { preconditionFailure("constants are addresses") }
        var limits = Limits()
        limits.flowsPerGuest = 1_024
        space = BufferSpace(shards: 1, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
        pool = .allocate(capacity: 1)
        pool.initialize(to: BufferPool(space: space, shard: 0))
        stack = Stack(
            Stack.Configuration(
                plan: plan, limits: limits, policy: DestinationPolicy(), guestMAC: GuestFrame.guestMAC,
                guestIPv4: GuestFrame.guest, guestIPv6: plan.firstGuestIPv6, shard: 0, shards: 1, secret: 42),
            pool: pool, counters: Counters(), now: now)
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
    }

    /// One turn in which `frames` arrive.
    func turn(_ count: Int = 1, _ receive: () -> Void) {
        now += 100_000
        stack.beginTurn(now: now)
        for _ in 0..<count { receive() }
        while stack.runTimers() { perform() }
        stack.finishTurn()
        perform()
    }

    /// Gives the stack a frame; only its first `copied` octets are copied, the payload is whatever the buffer holds.
    func receive(_ frame: GuestFrame, copied: Int? = nil) {
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone, "the bench leaks buffers")
        let memory = space.address(of: lease)
        memory.copyMemory(from: frame.bytes, byteCount: copied ?? frame.count)
        var summary = FrameSummary()
        let reason = FrameSummary.parse(UnsafeRawBufferPointer(start: memory, count: frame.count), into: &summary)
        precondition(reason == .none, "\(reason)")
        stack.receiveFrame(summary, lease, length: frame.count)
        perform()
    }

    /// Opens the one connection that streams are measured on.
    func connect() {
        // MSS 1460 and a window scale of 7 (RFC 9293 §3.2, RFC 7323 §2.2).
        let options: [UInt8] = [2, 4, 5, 180, 1, 3, 3, 7]
        turn {
            receive(.segment(payload: 0, sequence: guestNext, acknowledgement: 0, flags: [.syn], options: options))
        }
        guestNext &+= 1
        turn { receive(.segment(payload: 0, sequence: guestNext, acknowledgement: stackNext)) }
        precondition(asked > 0, "the connection did not open")
    }

    /// A segment from the guest, the next of its stream. `template` is a segment of this payload.
    func receiveSegment(_ template: GuestFrame, payload: Int) {
        template.bytes.storeBytes(of: guestNext.bigEndian, toByteOffset: GuestFrame.transport + 4, as: UInt32.self)
        template.bytes.storeBytes(of: stackNext.bigEndian, toByteOffset: GuestFrame.transport + 8, as: UInt32.self)
        guestNext &+= UInt32(payload)
        receive(template, copied: GuestFrame.transport + 20)
    }

    /// Octets from the host, as if they had just been received into a buffer.
    func receiveFromHost(_ octets: Int) {
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone && octets <= asked)
        asked = 0
        stack.streamReceived(flow, lease, offset: Stack.headroom, length: octets)
        perform()
    }

    private func perform() {
        while let effect = stack.effects.popFirst() {
            switch effect.kind {
            case .writeFrame: take(effect)
            case .connectStream:
                flow = Handle(slot: effect.slot, generation: effect.generation)
                stack.streamOpened(flow, socket: 0)
                stack.streamConnected(flow)
            case .sendStream:
                // The host takes all at once.
                var octets = 0
                var lease = stack.parkedPayload(flow)
                while !lease.isNone {
                    octets += Int(space.state(of: lease).pointee.length)
                    lease = space.state(of: lease).pointee.next
                }
                octetsToHost += octets
                stack.streamSent(flow, octets: octets)
            case .receiveStream: asked = Int(effect.length)
            default: preconditionFailure("nobody expects \(effect.kind)")
            }
        }
    }

    /// The guest takes a frame: it notes how far the stream has come.
    private func take(_ effect: Effect) {
        framesToGuest += 1
        let frame = space.address(of: effect.lease) + Int(effect.offset)
        let isTCP = frame.load(fromByteOffset: GuestFrame.network + 9, as: UInt8.self) == IPProtocol.tcp
        let etherType = frame.loadUnaligned(fromByteOffset: VirtioNetHeader.length + 12, as: UInt16.self).bigEndian
        if isTCP, etherType == EtherType.ipv4 {
            let header = frame + GuestFrame.transport
            let sequence = header.loadUnaligned(fromByteOffset: 4, as: UInt32.self).bigEndian
            let headerLength = Int(header.load(fromByteOffset: 12, as: UInt8.self) >> 4) * 4
            let flags = header.load(fromByteOffset: 13, as: UInt8.self)
            let payload = Int(effect.length) + Int(effect.payloadLength) - GuestFrame.transport - headerLength
            stackNext = sequence &+ UInt32(payload) &+ UInt32(flags >> 1 & 1)
        }
        pool.pointee.release(effect.lease)
        if !effect.payload.isNone { pool.pointee.release(effect.payload) }
    }
}
