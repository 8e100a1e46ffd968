internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// The shard's line to the name service: records of a tag and a DNS message on a pair of sockets.
extension Shard {
    /// Octets of tag before each message.
    static var tagLength: Int { 16 }

    mutating func openNameService() {
        guard let service = shared.nameService else { return }
        guard let pair = Endpoint.pair(type: Int32(SOCK_SEQPACKET.rawValue)) else {
            return counters.add(.descriptorsExhausted)
        }
        nameService = pair.own
        service.serve(datagrams: pair.other)
        armNameService()
    }

    mutating func armNameService() {
        guard nameService >= 0, !isNameServiceReceiving else { return }
        isNameServiceReceiving = true
        let entry = reactor.ring.prepare()
        ringway_prepare_receive_multishot(entry, nameService, Self.hostGroup)
        entry.pointee.user_data = Operation.queryReceive.tag().rawValue
    }

    /// Takes the effect's lease. The tag goes where the UDP header was, right before the message.
    mutating func sendQuery(_ effect: Effect) {
        let query = effect.handle
        guard nameService >= 0, Int(effect.offset) >= Self.tagLength else {
            pool.pointee.release(effect.lease)
            return stack.queryRefused(query)
        }
        let start = space.address(of: effect.lease) + Int(effect.offset) - Self.tagLength
        start.storeBytes(of: UInt64(query.slot) << 32 | UInt64(query.generation), as: UInt64.self)
        start.storeBytes(of: shared.hasIPv6 ? 1 : 0, toByteOffset: 8, as: UInt64.self)
        let state = space.state(of: effect.lease)
        state.pointee.query = query
        let entry = reactor.ring.prepare()
        // Without waiting: a name service that cannot keep up refuses, and the guest's resolver asks again.
        io_uring_prep_send(
            entry, nameService, start, Int(effect.length) + Self.tagLength,
            Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        entry.pointee.user_data = Operation.querySend.tag(index: effect.lease.rawValue).rawValue
    }

    mutating func querySent(_ completion: Completion) {
        let lease = Lease(rawValue: completion.tag.index)
        let state = space.state(of: lease)
        if completion.result < 0 {
            stack.queryRefused(state.pointee.query)
        }
        pool.pointee.release(lease)
        perform()
    }

    mutating func queryAnswered(_ completion: Completion) {
        if !completion.hasMore { isNameServiceReceiving = false }
        if completion.hasBuffer {
            let lease = hostBuffers.take(completion.bufferIdentifier)
            let length = Int(completion.result)
            if length > Self.tagLength {
                let start = space.address(of: lease) + hostBuffers.headroom
                let tag = start.loadUnaligned(as: UInt64.self)
                let query = Handle(
                    slot: UInt32(truncatingIfNeeded: tag >> 32), generation: UInt16(truncatingIfNeeded: tag))
                stack.queryAnswered(
                    query, lease, offset: hostBuffers.headroom + Self.tagLength, length: length - Self.tagLength)
            } else {
                pool.pointee.release(lease)
            }
            perform()
        }
        guard !isNameServiceReceiving else { return }
        if completion.result == -ENOBUFS {
            hasStarvedDatagrams = true
        } else if completion.result > 0 || completion.result == -EAGAIN || completion.result == -EINTR {
            armNameService()
        } else {
            // The control plane has gone; there are no names any more.
            closeWatched(nameService, reset: false)
            nameService = -1
        }
    }
}
