internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Frames from and to the guest.
extension Shard {
    /// Asks the kernel for frames: one multishot read, or several single ones where it has none.
    mutating func armLink() {
        guard !linkIsLost, !isStopping else { return }
        if usesMultishotRead {
            let entry = reactor.ring.prepare()
            ringway_prepare_read_multishot(entry, link, Self.linkGroup)
            entry.pointee.user_data = Operation.linkRead.tag().rawValue
            readsArmed = 1
            return
        }
        while readsArmed < Self.singleReads {
            let entry = reactor.ring.prepare()
            ringway_prepare_read_select(entry, link, UInt32(BufferSpace.largeSize), Self.linkGroup)
            entry.pointee.user_data = Operation.linkRead.tag().rawValue
            readsArmed += 1
        }
    }

    private var usesMultishotRead: Bool {
        shared.features.hasMultishotRead && shared.configuration.usesMultishotRead
    }

    mutating func linkRead(_ completion: Completion) {
        if !completion.hasMore { readsArmed -= 1 }
        if completion.result < 0 {
            switch -completion.result {
            case ENOBUFS:
                // Re-armed by `refill`, when a buffer has come back: at once would only fail again.
                counters.add(.linkReadsStarved)
            case EAGAIN, EINTR, ECANCELED:
                if readsArmed == 0 { armLink() }
            default:
                linkIsLost = true
                shared.report(.linkLost(errno: -completion.result))
            }
            return
        }
        guard completion.hasBuffer else { return }
        let lease = linkBuffers.take(completion.bufferIdentifier)
        if readsArmed == 0 || (!usesMultishotRead && readsArmed < Self.singleReads / 2) {
            linkBuffers.refill(from: pool)
            if linkBuffers.available > 0 { armLink() }
        }
        takeFrame(lease, length: Int(completion.result))
        perform()
    }

    /// Parses a frame at the start of its buffer and gives it to the shard that owns its flow. Takes the lease.
    mutating func takeFrame(_ lease: Lease, length: Int) {
        counters.add(.framesFromGuest)
        counters.add(.octetsFromGuest, length)
        let frame = UnsafeRawBufferPointer(start: space.address(of: lease), count: length)
        if shared.configuration.capture >= 0 {
            capture(.fromGuest, frame, nil, count: 0)
        }
        var summary = FrameSummary()
        let reason = FrameSummary.parse(frame, into: &summary)
        guard reason == .none else {
            counters.addRefused(reason: reason.rawValue)
            return pool.pointee.release(lease)
        }
        let owner = Stack.owner(
            of: summary, shards: shared.network.count, secret: shared.configuration.stack.secret)
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

    /// Queues the write of a frame: one piece, or headers and payload apart.
    mutating func writeFrame(_ effect: Effect) {
        let start = space.address(of: effect.lease) + Int(effect.offset)
        let state = space.state(of: effect.lease)
        var octets = Int(effect.length)
        let entry = reactor.ring.prepare()
        if effect.payload.isNone {
            state.pointee.marks = 0
            io_uring_prep_write(entry, link, start, effect.length, 0)
        } else {
            // Both pieces are described behind the headers, in the header's own buffer, which lives as long as the
            // operation; so does what reminds us of the payload's hold.
            let slices = (space.address(of: effect.lease) + 1_024).assumingMemoryBound(to: iovec.self)
            let payload = space.address(of: effect.payload) + Int(effect.payloadOffset)
            slices[0] = iovec(iov_base: start, iov_len: Int(effect.length))
            slices[1] = iovec(iov_base: payload, iov_len: Int(effect.payloadLength))
            state.pointee.marks = 1
            state.pointee.sequence = effect.payload.rawValue
            octets += Int(effect.payloadLength)
            io_uring_prep_writev(entry, link, slices, 2, 0)
        }
        entry.pointee.user_data = Operation.linkWrite.tag(index: effect.lease.rawValue).rawValue
        counters.add(.framesToGuest)
        counters.add(.octetsToGuest, octets)
        if shared.configuration.capture >= 0 {
            let head = UnsafeRawBufferPointer(start: start, count: Int(effect.length))
            if effect.payload.isNone {
                capture(.toGuest, head, nil, count: 0)
            } else {
                capture(
                    .toGuest, head, space.address(of: effect.payload) + Int(effect.payloadOffset),
                    count: Int(effect.payloadLength))
            }
        }
    }

    mutating func linkWritten(_ completion: Completion) {
        let lease = Lease(rawValue: completion.tag.index)
        let state = space.state(of: lease)
        if lease.isSmall, state.pointee.marks == 1 {
            state.pointee.marks = 0
            pool.pointee.release(Lease(rawValue: state.pointee.sequence))
        }
        pool.pointee.release(lease)
        if completion.result < 0 {
            // The frame is lost as a frame on a wire is; TCP sends it again.
            counters.add(.linkWritesFailed)
        }
    }
}
