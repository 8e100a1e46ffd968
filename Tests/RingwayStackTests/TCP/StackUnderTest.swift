import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// A stack with its buffers and a clock controlled by the test; collects effects.
final class StackUnderTest {
    static let guestMAC = MACAddress(rawValue: 0x0200_0000_0002)
    static var millisecond: UInt64 { 1_000_000 }
    static var second: UInt64 { 1_000_000_000 }

    let plan: NetworkPlan
    let counters = Counters()
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    var stack: Stack
    var now: UInt64 = 1_000 * second
    /// Frames to the guest that no expectation has consumed, virtio-net header first.
    var frames: [[UInt8]] = []
    /// Other effects that no expectation has consumed.
    var effects: [Effect] = []

    /// - Parameter hasServices: whether the stack is that of the shard with the gateway's services.
    init(
        limits: Limits = StackUnderTest.limits, policy: DestinationPolicy = DestinationPolicy(), mtu: Int = 1_500,
        hasServices: Bool = false, secret: UInt64 = 0x5EED
    ) throws {
        let block = try #require(CIDRBlock("192.168.127.0/24"))
        let prefix = IPv6Address(high: 0xFD12_3456_789A_0000, low: 0)
        plan = try #require(NetworkPlan(ipv4: block, ipv6Prefix: prefix, mtu: mtu))
        space = MemoryFailure.trap {
            try BufferSpace(shards: 1, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
        }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
        // A shard without services sends nothing by itself.
        let configuration = Stack.Configuration(
            plan: plan, limits: limits, policy: policy, guestMAC: Self.guestMAC, guestIPv4: plan.firstGuestIPv4,
            guestIPv6: plan.firstGuestIPv6, shard: hasServices ? 0 : 1, shards: 2, secret: secret)
        stack = try Stack(configuration, pool: pool, counters: counters, now: now)
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
        counters.deallocate()
    }

    static var limits: Limits {
        var limits = Limits()
        limits.flowsPerGuest = 128
        limits.udpMappings = 16
        limits.poolBytesPerShard = 64 << 20
        return limits
    }

    // MARK: Time

    /// One turn of the owner, with `events` passed to the stack.
    func turn(_ events: (inout Stack) -> Void) {
        stack.beginTurn(now: now)
        events(&stack)
        collect()
        while stack.runTimers() { collect() }
        while stack.finishTurn() { collect() }
        collect()
    }

    /// Advances the clock, running timers when they are due.
    func advance(by nanoseconds: UInt64) {
        let end = now + nanoseconds
        while let deadline = stack.nextDeadline, deadline <= end {
            now = max(now + Self.millisecond, deadline)
            turn { _ in }
        }
        now = max(now, end)
        turn { _ in }
    }

    /// Advances the clock to a time counted from `start`.
    func advance(to nanoseconds: UInt64, after start: UInt64) {
        precondition(start + nanoseconds >= now)
        advance(by: start + nanoseconds - now)
    }

    private func collect() {
        while let effect = stack.effects.popFirst() {
            guard effect.kind == .writeFrame else {
                effects.append(effect)
                continue
            }
            var frame = bytes(effect.lease, effect.offset, effect.length)
            pool.pointee.release(effect.lease)
            if !effect.payload.isNone {
                frame += bytes(effect.payload, effect.payloadOffset, effect.payloadLength)
                pool.pointee.release(effect.payload)
            }
            frames.append(frame)
        }
    }

    private func bytes(_ lease: Lease, _ offset: UInt32, _ length: UInt32) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: space.address(of: lease) + Int(offset), count: Int(length)))
    }

    // MARK: What goes in

    /// Frames from the guest within one turn.
    func receiveTogether(_ frames: [[UInt8]]) {
        stack.beginTurn(now: now)
        for frame in frames {
            guard let (summary, lease) = read(frame) else { continue }
            stack.receiveFrame(summary, lease, length: frame.count)
            collect()
        }
        while stack.finishTurn() { collect() }
        collect()
    }

    /// A frame from the guest, virtio-net header first.
    func receive(_ frame: [UInt8]) {
        guard let (summary, lease) = read(frame) else { return }
        turn { $0.receiveFrame(summary, lease, length: frame.count) }
    }

    private func read(_ frame: [UInt8]) -> (FrameSummary, Lease)? {
        let lease = pool.pointee.lease(.large)
        space.address(of: lease).copyMemory(from: frame, byteCount: frame.count)
        var summary = FrameSummary()
        let reason = FrameSummary.parse(
            UnsafeRawBufferPointer(start: space.address(of: lease), count: frame.count), into: &summary)
        guard reason == .none else {
            Issue.record("the test's own frame is refused: \(reason)")
            pool.pointee.release(lease)
            return nil
        }
        return (summary, lease)
    }

    /// A buffer with bytes behind the headroom, as filled from the host's sockets.
    func buffer(_ bytes: [UInt8]) -> Lease {
        let lease = pool.pointee.lease(.large)
        (space.address(of: lease) + Stack.headroom).copyMemory(from: bytes, byteCount: bytes.count)
        return lease
    }

    /// The bytes of an effect's buffer.
    func bytes(of effect: Effect) -> [UInt8] { bytes(effect.lease, effect.offset, effect.length) }

    /// The flows as a listing shows them.
    var flows: [FlowRecord] {
        let memory = UnsafeMutableBufferPointer<FlowRecord>.allocate(capacity: 64)
        defer { memory.deallocate() }
        var cursor = FlowCursor()
        var writer = FlowRecordWriter(memory, visits: 1_024)
        stack.writeFlows(from: &cursor, to: &writer)
        return Array(memory[..<writer.count])
    }

    // MARK: What must come out

    /// The oldest effect that is not a frame.
    @discardableResult
    func expectEffect(_ kind: Effect.Kind, sourceLocation: SourceLocation = #_sourceLocation) -> Effect? {
        guard !effects.isEmpty else {
            Issue.record("\(kind) was expected, nothing is asked for", sourceLocation: sourceLocation)
            return nil
        }
        let effect = effects.removeFirst()
        #expect(effect.kind == kind, sourceLocation: sourceLocation)
        return effect.kind == kind ? effect : nil
    }

    func expectNoEffect(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(effects.map(\.kind) == [], sourceLocation: sourceLocation)
    }

    /// Nothing is left: every buffer is released, nothing is reserved, every table is empty.
    func expectNothingHeld(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(pool.pointee.leased == 0, sourceLocation: sourceLocation)
        #expect(stack.flowCount == 0, sourceLocation: sourceLocation)
        #expect(stack.connectionCount == 0, sourceLocation: sourceLocation)
        #expect(stack.reservedBytes == 0, sourceLocation: sourceLocation)
        #expect(stack.halfOpenCount == 0, sourceLocation: sourceLocation)
        #expect(counters.read(.tcpFlows) == 0, sourceLocation: sourceLocation)
        #expect(counters.read(.tcpHalfOpen) == 0, sourceLocation: sourceLocation)
        #expect(counters.read(.tcpUnsentBytes) == 0, sourceLocation: sourceLocation)
    }
}
