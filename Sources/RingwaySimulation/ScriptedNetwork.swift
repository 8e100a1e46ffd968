internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// A stack whose environment (guest, sockets, clock) is a script of bytes. Used by the fuzzer, and to replay its
/// findings.
///
/// The guest of a script may be hostile, but this type, in the engine's place, follows the stack's contract: it
/// completes only what the stack requested. At the end of the script all sockets fail and time passes; after that the
/// stack must hold no resources.
public struct ScriptedNetwork: ~Copyable {
    struct Socket {
        var handle: Handle
        var isConnecting = false
        var isSending = false
        var receiveLimit = 0
        var isOver = false
        /// The buffers that a send in flight references, and the number of their bytes.
        var held: [Lease] = []
        var heldBytes = 0
    }

    /// The handles that the stack has used so far. Steps use them even if they have become stale.
    struct Names {
        var mappings: [Handle] = []
        var pings: [Handle] = []
        var queries: [Handle] = []
    }

    /// The stack's latest segment of a connection: the sequence number after it, and its acknowledgement number.
    struct Position {
        var next: UInt32 = 0
        var acknowledged: UInt32 = 0
    }

    let plan: NetworkPlan
    let counters = Counters()
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    let inspector: FrameInspector
    var stack: Stack
    var now: UInt64
    var sockets: [Socket] = []
    var names = Names()
    var positions: [UInt32: Position] = [:]
    var framesToGuest = 0

    /// Runs a script; traps if the stack violates its contract.
    ///
    /// - Returns: the number of frames that the stack sent.
    @discardableResult
    public static func run(_ script: UnsafeRawBufferPointer, in memory: ScriptedMemory = ScriptedMemory()) -> Int {
        var reader = ScriptReader(script)
        guard var network = ScriptedNetwork(&reader, memory) else { return 0 }
        while !reader.isAtEnd { network.step(&reader) }
        network.finish()
        return network.framesToGuest
    }

    private init?(_ reader: inout ScriptReader, _ memory: ScriptedMemory) {
        let choices = reader.byte()
        let secret = reader.integer(8)
        now = 1_000_000_000 + reader.integer(6)
        let mtu = Int(reader.integer(2))
        let prefix = IPv6Address(high: 0xFD12_3456_789A_0000, low: 0)
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(
                ipv4: block, ipv6Prefix: prefix, mtu: max(NetworkPlan.minimumMTU, min(mtu, NetworkPlan.maximumMTU)))
        else { return nil }
        self.plan = plan
        inspector = FrameInspector(plan: plan, guestMAC: nil)
        var limits = memory.limits
        limits.unsentBytesPerFlow = 65_536 << Int(choices & 3)
        space = memory.space
        pool = memory.pool
        let configuration = Stack.Configuration(
            plan: plan, limits: limits, policy: DestinationPolicy(),
            guestMAC: MACAddress(rawValue: GuestFrameBuilder.guestMAC), guestIPv4: plan.firstGuestIPv4,
            guestIPv6: plan.firstGuestIPv6, shard: 0, shards: 1, secret: secret)
        stack = MemoryFailure.trap { [pool, counters, now] in
            try Stack(configuration, pool: pool, counters: counters, now: now)
        }
        stack.beginTurn(now: now)
    }

    deinit { counters.deallocate() }

    // MARK: Steps

    private mutating func step(_ reader: inout ScriptReader) {
        let code = reader.byte()
        guard let step = ScriptStep(rawValue: code & 15) else { return }
        switch step {
        case .frame:
            let length = Int(reader.integer(2))
            var frame = reader.bytes(length)
            if code & 0x80 != 0 { ScriptedFrame.repair(&frame) }
            receive(frame)
        case .time:
            endTurn()
            pass(min(reader.integer(6), 1 << 37))
        case .turn: endTurn()
        case .connected, .sent, .received, .ended, .failed, .starved: stepSocket(step, &reader)
        case .opened: open(reader.byte())
        case .segment:
            let flow = reader.byte()
            let frame = ScriptedFrame.segment(flow, &reader, positions, plan)
            receive(frame)
        case .datagram, .forwarded, .answered, .echoed, .undelivered: stepDatagram(step, code, &reader)
        }
        perform()
    }

    private mutating func endTurn() {
        while stack.runTimers() { perform() }
        while stack.finishTurn() { perform() }
        perform()
    }

    /// Advances the time, and runs timers that are due.
    private mutating func pass(_ nanoseconds: UInt64) {
        let end = now + nanoseconds
        var budget = 400
        while budget > 0, let deadline = stack.nextDeadline, deadline <= end {
            now = max(now + 1_000_000, deadline)
            stack.beginTurn(now: now)
            endTurn()
            budget -= 1
        }
        now = max(now, end)
        stack.beginTurn(now: now)
        endTurn()
    }

    /// Passes a frame to the stack as the engine does. The parser gets a copy in a buffer of exactly the frame's size,
    /// so that a sanitizer detects a read beyond the end.
    mutating func receive(_ frame: [UInt8]) {
        guard frame.count <= BufferSpace.largeSize else { return }
        var summary = FrameSummary()
        let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: frame.count, alignment: 16)
        exact.copyBytes(from: frame)
        let reason = FrameSummary.parse(UnsafeRawBufferPointer(exact), into: &summary)
        exact.deallocate()
        guard reason == .none else { return counters.addRefused(reason: reason.rawValue) }
        let lease = pool.pointee.lease(.large)
        guard !lease.isNone else { return }
        space.address(of: lease).copyMemory(from: frame, byteCount: frame.count)
        stack.receiveFrame(summary, lease, length: frame.count)
    }

    // MARK: The end

    private mutating func finish() {
        endTurn()
        for index in sockets.indices {
            release(index)
            guard !sockets[index].isOver else { continue }
            sockets[index].isOver = true
            if sockets[index].isConnecting {
                stack.streamConnectFailed(sockets[index].handle, .timedOut)
            } else {
                stack.streamFailed(sockets[index].handle)
            }
            perform()
        }
        // TIME-WAIT, mappings, pings, queries and reassembly end by timeouts.
        for _ in 0..<40 where stack.flowCount > 0 || pool.pointee.leased > 0 { pass(10_000_000_000) }
        demand(stack.connectionCount == 0, "connections are left: \(stack.connectionSummaries)")
        demand(stack.flowCount == 0, "keys are left in the flow table")
        demand(stack.reservedBytes == 0, "bytes stay reserved")
        demand(stack.halfOpenCount == 0, "connections stay half-open")
        demand(pool.pointee.leased == 0, "\(pool.pointee.leased) buffers leaked")
        demand(counters.read(.tcpUnsentBytes) == 0, "bytes stay parked")
    }
}

/// A precondition that reports its message in optimised builds, too.
func demand(_ condition: Bool, _ text: @autoclosure () -> String = "a range outside its buffer") {
    if !condition { fatalError(text()) }
}
