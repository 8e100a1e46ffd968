internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Frames from and to the guest.
extension Shard {
    mutating func linkRead(_ completion: Completion) {
        switch queue.take(completion, pool) {
        case .frame(let lease, let length):
            if queue.isIdle { queue.refill(&reactor.ring, from: pool, Operation.linkRead.tag()) }
            takeFrame(lease, length: length)
            perform()
        case .starved: counters.add(.linkReadsStarved)
        case .nothing: break
        case .lost(let error): shared.report(.linkLost(errno: error))
        }
    }

    /// Parses a frame at the start of its buffer and gives it to the shard that owns its flow. Takes the lease.
    ///
    /// - Parameter isReassembled: the frame was put together from fragments, so it may be cut again.
    mutating func takeFrame(_ lease: Lease, length: Int, isReassembled: Bool = false) {
        counters.add(.framesFromGuest)
        counters.add(.octetsFromGuest, length)
        octetsThisTurn &+= length
        let frame = UnsafeRawBufferPointer(start: space.address(of: lease), count: length)
        if capture.isOn { capture.append(.fromGuest, frame) }
        var summary = FrameSummary()
        let reason = FrameSummary.parse(frame, into: &summary)
        guard reason == .none else {
            counters.addRefused(reason: reason.rawValue)
            return pool.pointee.release(lease)
        }
        if summary.isIPv6, !knowsIPv6 { lookForIPv6(summary, frame) }
        if isReassembled { summary.dontFragment = false }
        if isSwitched, !passesSwitch(summary, lease, length: length, isReassembled: isReassembled) { return }
        let owner = summary.owner(
            in: frame, shards: shared.network.count, secret: shared.configuration.stack.secret)
        if owner == index {
            return stack.receiveFrame(summary, lease, length: length)
        }
        var message = ShardMessage(.frame)
        message.lease = lease
        message.length = UInt32(length)
        message.summary = summary
        guard post(message, to: owner) else {
            counters.add(.handOverRefused)
            return pool.pointee.release(lease)
        }
        counters.add(.framesHandedOver)
    }

    /// Takes note of the first sign that the guest has an IPv6 address of the network: it sends from one, asks its
    /// neighbours about one that it is to have (RFC 4862 §5.4), or asks for a router, whose prefix it makes one of.
    @inline(never)
    private mutating func lookForIPv6(_ summary: FrameSummary, _ frame: UnsafeRawBufferPointer) {
        let plan = shared.configuration.stack.plan
        var address = summary.source.ipv6
        let message = VirtioNetHeader.length + Int(summary.transportOffset)
        // Solicitations and advertisements both have a target, eight octets into the message.
        if summary.kind == .icmpv6, frame.count >= message + 24,
            frame[message] == ICMPv6Header.neighborSolicitation && summary.source.isUnspecified
                || frame[message] == ICMPv6Header.neighborAdvertisement, let base = frame.baseAddress
        {
            address = IPv6Address(loadingFrom: base + message + 8)
        }
        let isSolicitation =
            summary.kind == .icmpv6 && frame.count > message && frame[message] == ICMPv6Header.routerSolicitation
        guard isSolicitation || plan.contains(address) && plan.isGuest(address) else { return }
        knowsIPv6 = true
        shared.noteIPv6()
    }

    /// Queues the write of a frame: one piece, or headers and payload apart.
    mutating func writeFrame(_ effect: Effect) {
        if let departures {
            noteFrame(effect)
            return gatherFrame(effect, departures)
        }
        let start = space.address(of: effect.lease) + Int(effect.offset)
        let state = space.state(of: effect.lease)
        let tag = Operation.linkWrite.tag(index: effect.lease.rawValue)
        if effect.payload.isNone {
            queue.write(&reactor.ring, start, length: effect.length, tag)
        } else {
            // Both pieces are described behind the headers, in the header's own buffer, which lives as long as the
            // operation; so does what reminds us of the payload's hold.
            let slices = (space.address(of: effect.lease) + 1_024).assumingMemoryBound(to: iovec.self)
            let payload = space.address(of: effect.payload) + Int(effect.payloadOffset)
            slices[0] = iovec(iov_base: start, iov_len: Int(effect.length))
            slices[1] = iovec(iov_base: payload, iov_len: Int(effect.payloadLength))
            state.pointee.attached = effect.payload
            queue.write(&reactor.ring, slices, tag)
        }
        noteFrame(effect)
    }

    /// Counts a frame to the guest, and captures it.
    @inline(__always)
    private mutating func noteFrame(_ effect: Effect) {
        let octets = Int(effect.length) &+ (effect.payload.isNone ? 0 : Int(effect.payloadLength))
        counters.add(.framesToGuest)
        counters.add(.octetsToGuest, octets)
        if capture.isOn {
            let start = space.address(of: effect.lease) + Int(effect.offset)
            let head = UnsafeRawBufferPointer(start: start, count: Int(effect.length))
            if effect.payload.isNone {
                capture.append(.toGuest, head)
            } else {
                let payload = space.address(of: effect.payload) + Int(effect.payloadOffset)
                capture.append(
                    .toGuest, head, UnsafeRawBufferPointer(start: payload, count: Int(effect.payloadLength)))
            }
        }
    }

    mutating func linkWritten(_ completion: Completion) {
        let lease = Lease(rawValue: completion.tag.index)
        let state = space.state(of: lease)
        let payload = state.pointee.attached
        if !payload.isNone {
            state.pointee.attached = .none
            pool.pointee.release(payload)
        }
        pool.pointee.release(lease)
        if completion.result < 0 {
            // The frame is lost as a frame on a wire is; TCP sends it again.
            counters.add(.linkWritesFailed)
        }
    }
}
