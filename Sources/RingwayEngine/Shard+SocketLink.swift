internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// A link that is a socket: a stream of frames with their lengths, or one datagram a frame.
///
/// One receive is under way at a time and brings many frames; one send is, and carries what a turn has gathered. When the
/// guest is slow to read, frames wait, and host sockets are not read meanwhile: nothing is dropped that was asked for.
extension Shard {
    // MARK: Frames from a stream

    /// Takes the frames out of what has been received, and receives more unless buffers must come back first.
    mutating func takeArrivals(_ arrivals: UnsafeMutablePointer<FrameCutter>) {
        while true {
            switch arrivals.pointee.next(pool) {
            case .frame(let lease, let length):
                takeFrame(lease, length: length)
                perform()
            case .incomplete: return receiveFrames(arrivals)
            case .starved: return counters.add(.linkReadsStarved)
            case .malformed(let length):
                counters.add(.linkLengthsRefused)
                return loseLink(.linkMalformed(length: length))
            }
        }
    }

    private mutating func receiveFrames(_ arrivals: UnsafeMutablePointer<FrameCutter>) {
        let room = arrivals.pointee.room(in: space)
        reactor.ring.receive(queue.descriptor, into: room, Operation.linkReceive.tag())
        isLinkReceiving = true
    }

    mutating func linkReceived(_ completion: Completion) {
        isLinkReceiving = false
        guard let arrivals else { return }
        // A send may have found out first; only now is the memory ours that was received into.
        if completion.result > 0 { arrivals.pointee.received(Int(completion.result)) }
        if isLinkLost { return discardPartial(arrivals) }
        if completion.result > 0 { return takeArrivals(arrivals) }
        switch -completion.result {
        // The next turn receives again.
        case EAGAIN, EINTR, ENOMEM, ENOBUFS: break
        case let error:
            discardPartial(arrivals)
            loseLink(.linkLost(errno: error))
        }
    }

    private mutating func discardPartial(_ arrivals: UnsafeMutablePointer<FrameCutter>) {
        if arrivals.pointee.discard(pool) { counters.add(.linkFramesTruncated) }
    }

    // MARK: Frames from datagrams

    /// A frame that came without a virtio-net header, for which room was left before it.
    mutating func linkDatagramRead(_ completion: Completion) {
        switch queue.take(completion, pool) {
        case .frame(let lease, let length):
            VirtioNetFields().write(to: space.address(of: lease))
            if queue.isIdle { queue.refill(&reactor.ring, from: pool, linkReadTag) }
            takeFrame(lease, length: VirtioNetHeader.length + length)
            perform()
        case .starved: counters.add(.linkReadsStarved)
        case .nothing: break
        case .lost(let error): loseLink(.linkLost(errno: error))
        }
    }

    // MARK: Frames to the guest

    /// Takes a frame over, and sends what is gathered when no more can be.
    mutating func gatherFrame(_ effect: Effect, _ departures: UnsafeMutablePointer<OutgoingFrames>) {
        departures.pointee.append(
            OutgoingFrame(
                effect.lease, offset: effect.offset, length: effect.length, payload: effect.payload,
                payloadOffset: effect.payloadOffset, payloadLength: effect.payloadLength))
        if departures.pointee.isFull { sendGathered(departures) }
        isLinkCongested = departures.pointee.isCongested
    }

    /// Sends what is gathered, unless something is being sent.
    mutating func sendGathered(_ departures: UnsafeMutablePointer<OutgoingFrames>) {
        while departures.pointee.depart() {
            guard sendDeparting(departures) else { break }
        }
        isLinkCongested = departures.pointee.isCongested
    }

    /// Sends what is left of the departing batch; true when it is gone already.
    private mutating func sendDeparting(_ departures: UnsafeMutablePointer<OutgoingFrames>) -> Bool {
        guard departures.pointee.framing == .datagram else {
            reactor.ring.send(
                queue.descriptor, message: departures.pointee.message(), flags: Int32(MSG_NOSIGNAL),
                Operation.linkSend.tag())
            isLinkSending = true
            return false
        }
        switch departures.pointee.sendDatagrams(queue.descriptor) {
        case 0: return true
        case EAGAIN: awaitWritable()
        case let error: loseLink(.linkLost(errno: error))
        }
        return false
    }

    private mutating func awaitWritable() {
        reactor.ring.poll(queue.descriptor, UInt32(POLLOUT), Operation.linkWritable.tag())
    }

    /// What is gathered meanwhile goes at the end of the turn.
    mutating func linkSent(_ completion: Completion) {
        isLinkSending = false
        guard let departures else { return }
        if isLinkLost { return departures.pointee.close() }
        switch -completion.result {
        case ..<0:
            if !departures.pointee.sent(octets: Int(completion.result)) { _ = sendDeparting(departures) }
        case 0, EAGAIN, EINTR, ENOMEM, ENOBUFS: awaitWritable()
        case let error: loseLink(.linkLost(errno: error))
        }
    }

    mutating func linkWritable(_ completion: Completion) {
        guard let departures, !isLinkLost else { return }
        _ = sendDeparting(departures)
    }

    // MARK: The end

    /// Nothing is received or sent any more; said once.
    private mutating func loseLink(_ event: EngineEvent) {
        guard !isLinkLost else { return }
        isLinkLost = true
        isLinkCongested = false
        // What the kernel has of ours stays until it gives it back.
        if !isLinkSending { departures?.pointee.close() }
        shared.report(event)
    }
}
