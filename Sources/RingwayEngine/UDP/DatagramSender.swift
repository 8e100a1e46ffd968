internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// Sends a component's datagrams from host sockets.
///
/// Consecutive datagrams of a flow within a turn are sent as one *train*: one message that the kernel segments (UDP
/// GSO). Most of a datagram's cost is its processing by the kernel's network stack, which processes a train only
/// once. The payloads are copied into the buffer of the first datagram. Otherwise a train would occupy a buffer of
/// 64 KiB for each datagram, and more of the cache.
struct DatagramSender {
    /// The operation kind in the tag of sends.
    private let kind: UInt8
    private let counters: Counters
    /// The message that is prepared but not submitted yet, so that more datagrams may join it, and the ring's round in
    /// which it was prepared (`Ring.round`).
    private var open = Handle(slot: .max, generation: 0)
    private var round = UInt64.max

    /// - Parameter operation: the operation that the tags of sends name; a tag also identifies the message.
    init(_ operation: some ShardOperation, counters: Counters) {
        kind = operation.kind
        self.counters = counters
    }

    private func tag(_ message: Handle) -> OperationTag {
        OperationTag(kind: kind, generation: message.generation, index: message.slot)
    }

    /// Sends a datagram with the next submission; takes ownership of its lease.
    ///
    /// - Parameters:
    ///   - source: the host's source address; `nil` for the socket's own.
    ///   - canSegment: whether the kernel segments trains for this socket.
    mutating func send(
        _ datagram: OutgoingDatagram, on descriptor: Int32, from source: IPAddress? = nil, canSegment: Bool,
        _ core: inout ShardCore
    ) {
        if canSegment, joins(datagram, &core) { return }
        guard let place = core.insertMessage(), let message = core.messages.pointer(to: place) else {
            counters.add(.udpSendFailed)
            return core.release(datagram.lease)
        }
        message.pointee.owner = datagram.flow
        message.pointee.target = datagram.target
        message.pointee.address.set(datagram.target)
        message.pointee.source = source
        message.pointee.hopLimit = datagram.hopLimit
        message.pointee.trafficClass = datagram.trafficClass
        message.pointee.dontFragment = datagram.dontFragment
        let isSingle = datagram.segmentSize == 0
        message.pointee.segmentSize =
            isSingle && canSegment ? UInt16(truncatingIfNeeded: datagram.length) : datagram.segmentSize
        message.pointee.append(
            core.space.address(of: datagram.lease) + Int(datagram.offset), Int(datagram.length), datagram.lease)
        if !canSegment, message.pointee.isTrain { return sendSeparately(place, on: descriptor, &core) }
        submit(message, place, on: descriptor, &core)
        if isSingle, canSegment {
            open = place
            round = core.reactor.ring.round
        }
    }

    /// Queues a message for the next submission.
    func submit(
        _ message: UnsafeMutablePointer<SendMessage>, _ place: Handle, on descriptor: Int32, _ core: inout ShardCore
    ) {
        let header = SendMessage.sealDatagram(message)
        core.reactor.ring.send(descriptor, message: header, flags: Int32(MSG_NOSIGNAL), tag(place))
    }

    /// Adds a datagram to the previous message, if that belongs to the same flow, has the same destination and header
    /// fields, and is not submitted yet. Takes ownership of the lease if it returns true.
    private mutating func joins(_ datagram: OutgoingDatagram, _ core: inout ShardCore) -> Bool {
        guard datagram.segmentSize == 0, round == core.reactor.ring.round,
            let message = core.messages.pointer(to: open),
            message.pointee.owner == datagram.flow, message.pointee.target == datagram.target,
            message.pointee.hopLimit == datagram.hopLimit, message.pointee.trafficClass == datagram.trafficClass,
            message.pointee.dontFragment == datagram.dontFragment,
            message.pointee.hasRoom(forDatagramOf: Int(datagram.length))
        else { return false }
        let lease = message.pointee.leases[0]
        let length = message.pointee.length
        guard let payload = message.pointee.slices[0].iov_base,
            payload - core.space.address(of: lease) + length + Int(datagram.length) <= core.space.size(of: lease)
        else { return false }
        (payload + length).copyMemory(
            from: core.space.address(of: datagram.lease) + Int(datagram.offset), byteCount: Int(datagram.length))
        core.release(datagram.lease)
        let wasTrain = message.pointee.isTrain
        message.pointee.slices[0].iov_len += Int(datagram.length)
        // The queued operation refers to the header, which stays in place: `sealDatagram` only adds the segment size.
        if !wasTrain { _ = SendMessage.sealDatagram(message) }
        counters.add(.udpJoinedToHost)
        return true
    }

    /// Sends the datagrams of a train one by one, and frees its message.
    func sendSeparately(_ place: Handle, on descriptor: Int32, _ core: inout ShardCore) {
        guard let train = core.messages.pointer(to: place), let base = train.pointee.slices[0].iov_base else { return }
        let lease = train.pointee.leases[0]
        let size = Int(train.pointee.segmentSize)
        var position = 0
        while position < train.pointee.length {
            let length = min(size, train.pointee.length - position)
            var single = train.pointee
            single.count = 0
            single.segmentSize = 0
            single.append(base + position, length, lease)
            position += length
            guard let place = core.insertMessage(single), let message = core.messages.pointer(to: place) else {
                counters.add(.udpSendFailed)
                continue
            }
            core.pool.pointee.hold(lease)
            submit(message, place, on: descriptor, &core)
        }
        core.releaseMessage(place.slot)
    }

    // MARK: Messages that the kernel refused

    /// The result of `retry`.
    enum Outcome {
        /// The message is in flight again.
        case retried
        /// The datagrams of the message are in flight one by one.
        case separated
        /// The message is lost. `pathMTU` is the path MTU that it exceeded, or zero if it was lost for another
        /// reason.
        case failed(pathMTU: UInt32)
    }

    /// Sends a refused message again, whole or as single datagrams, if that may help.
    ///
    /// - Parameters:
    ///   - error: the kernel's error.
    ///   - queuedErrors: the number of errors in the socket's queue, which may have been about earlier datagrams.
    func retry(
        _ message: UnsafeMutablePointer<SendMessage>, _ place: Handle, after error: Int32, queuedErrors: Int,
        on descriptor: Int32, _ core: inout ShardCore
    ) -> Outcome {
        let excess = error == EMSGSIZE && message.pointee.dontFragment ? Self.pathMTU(of: message) : nil
        if queuedErrors > 0, excess == nil, !message.pointee.hasRetried {
            // The kernel has returned the error of an earlier datagram instead of sending this message.
            message.pointee.hasRetried = true
            submit(message, place, on: descriptor, &core)
            return .retried
        }
        if message.pointee.isTrain, Self.refusesTrain(error) {
            sendSeparately(place, on: descriptor, &core)
            return .separated
        }
        return .failed(pathMTU: excess ?? 0)
    }

    /// The errors with which the kernel refuses a train whose datagrams it would accept one by one: a datagram exceeds
    /// the path MTU and must be fragmented, or the device has no checksum offload.
    private static func refusesTrain(_ error: Int32) -> Bool {
        error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP
    }

    /// The path MTU that a message exceeds; `nil` if it exceeds none, so that the kernel's error is about another
    /// datagram.
    private static func pathMTU(of message: UnsafeMutablePointer<SendMessage>) -> UInt32? {
        let target = message.pointee.target
        guard let mtu = PathMTU.toward(target, from: message.pointee.source) else { return nil }
        let length = message.pointee.isTrain ? Int(message.pointee.segmentSize) : message.pointee.length
        return length + (target.address.isIPv4 ? 28 : 48) > Int(mtu) ? mtu : nil
    }

    /// Passes the error that a send returned to the stack, as if a router had reported it.
    static func report(
        _ message: UnsafeMutablePointer<SendMessage>, _ error: Int32, pathMTU: UInt32, _ stack: inout Stack
    ) {
        guard let reason = ICMPError.Reason(errno: error, information: pathMTU) else { return }
        let slice = message.pointee.slices[0]
        stack.datagramFailed(
            message.pointee.owner, to: message.pointee.target, reason, from: nil,
            payload: UnsafeRawBufferPointer(start: slice.iov_base, count: slice.iov_len))
    }
}
