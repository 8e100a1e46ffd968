internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// The host sockets of UDP mappings.
extension Shard {
    /// Octets that a multishot `recvmsg` keeps for the sender's name and for control data before the payload.
    static var nameRoom: UInt32 { 32 }
    static var controlRoom: Int { 128 }

    // MARK: Toward the host

    /// Takes the effect's lease.
    mutating func sendDatagram(_ effect: Effect) {
        let mapping = effect.handle
        guard let socket = datagramSocket(mapping, effect) else { return pool.pointee.release(effect.lease) }
        forbidFragments(effect, &socket.pointee.fragmentation, socket.pointee.descriptor, ipv4: socket.pointee.isIPv4)
        prepareDatagram(
            effect, descriptor: socket.pointee.descriptor, source: nil, canSegment: !socket.pointee.cannotSegment)
    }

    /// The socket of a mapping, opened when its first datagram is sent.
    private mutating func datagramSocket(
        _ mapping: Handle, _ effect: Effect
    ) -> UnsafeMutablePointer<DatagramSocket>? {
        if let socket = datagrams.pointer(mapping.slot) {
            return socket.pointee.flow == mapping ? socket : nil
        }
        guard let ipv4 = stack.mappingIsIPv4(mapping) else { return nil }
        guard isAdmitted(mapping, effect) else { return nil }
        let descriptor = DatagramSocket.openUDP(ipv4: ipv4)
        guard descriptor >= 0 else {
            shared.descriptors.release()
            stack.datagramSocketFailed(mapping)
            return nil
        }
        // Bound now: a receive on a socket without a port would find nothing.
        var any = SocketAddress(
            TransportAddress(
                address: ipv4 ? IPAddress(IPv4Address(rawValue: 0)) : IPAddress(high: 0, low: 0), port: 0))
        let length = any.length
        _ = withUnsafeMutablePointer(to: &any) { bind(descriptor, SocketAddress.pointer(to: $0), length) }
        counters.add(.hostSockets)
        let socket = datagrams.insert(
            DatagramSocket(descriptor: descriptor, flow: mapping, isIPv4: ipv4), mapping.slot)
        armDatagramReceive(descriptor, Operation.datagramReceive.tag(mapping))
        socket.pointee.isReceiving = true
        return socket
    }

    /// Counts the descriptor of a mapping, in the place of the guest's oldest one where it has its share; false when it
    /// cannot be had, which the guest is told.
    private mutating func isAdmitted(_ mapping: Handle, _ effect: Effect) -> Bool {
        let grant = admit(sparing: mapping)
        if grant == .granted { return true }
        if grant == .beyondShare {
            if stack.endOldestMapping(sparing: mapping) {
                shared.descriptors.take(1)
                return true
            }
            let payload = UnsafeRawBufferPointer(
                start: space.address(of: effect.lease) + Int(effect.offset), count: Int(effect.length))
            stack.datagramFailed(mapping, to: effect.address, .administrativelyProhibited, from: nil, payload: payload)
        }
        stack.datagramSocketFailed(mapping)
        return false
    }

    /// Has the socket cut datagrams, or refuse what does not fit its path, as the guest asks. What was prepared before goes
    /// out first, as it was asked for.
    mutating func forbidFragments(
        _ effect: Effect, _ setting: inout FragmentationSetting, _ descriptor: Int32, ipv4: Bool
    ) {
        guard setting.forbids != effect.dontFragment else { return }
        reactor.ring.submitAll()
        setting.set(effect.dontFragment, on: descriptor, ipv4: ipv4)
    }

    mutating func armDatagramReceive(_ descriptor: Int32, _ tag: OperationTag) {
        let entry = reactor.ring.prepare()
        ringway_prepare_receive_message_multishot(entry, descriptor, receiveTemplate, Self.hostGroup)
        entry.pointee.user_data = tag.rawValue
    }

    /// Prepares one `sendmsg`; the message holds the lease until it completes.
    mutating func prepareDatagram(
        _ effect: Effect, descriptor: Int32, source: IPAddress?, _ operation: Operation = .datagramSend,
        canSegment: Bool
    ) {
        if canSegment, joinTrain(effect) { return }
        guard let place = messages.insert(SendMessage()), let message = messages.pointer(to: place) else {
            counters.add(.udpSendFailed)
            return pool.pointee.release(effect.lease)
        }
        message.pointee.owner = effect.handle
        message.pointee.target = effect.address
        message.pointee.address.set(effect.address)
        message.pointee.source = source
        message.pointee.hopLimit = effect.hopLimit
        message.pointee.trafficClass = effect.trafficClass
        message.pointee.dontFragment = effect.dontFragment
        let isSingle = effect.segmentSize == 0
        message.pointee.segmentSize =
            isSingle && canSegment ? UInt16(truncatingIfNeeded: effect.length) : effect.segmentSize
        message.pointee.append(
            space.address(of: effect.lease) + Int(effect.offset), Int(effect.length), effect.lease)
        if !canSegment, message.pointee.isTrain { return cutTrain(place, descriptor) }
        prepareSend(message, descriptor, operation.tag(place))
        if isSingle, canSegment { departing = DepartingTrain(place: place, round: reactor.ring.round) }
    }

    /// Hands a message to the kernel with the next submission.
    mutating func prepareSend(
        _ message: UnsafeMutablePointer<SendMessage>, _ descriptor: Int32, _ tag: OperationTag
    ) {
        let header = SendMessage.sealDatagram(message)
        let entry = reactor.ring.prepare()
        io_uring_prep_sendmsg(entry, descriptor, header, UInt32(MSG_NOSIGNAL))
        entry.pointee.user_data = tag.rawValue
    }

    mutating func datagramSent(_ completion: Completion) {
        let place = completion.tag.handle
        guard let message = messages.pointer(to: place) else { return }
        if completion.result < 0 {
            if isSentAgain(message, place, completion) { return perform() }
            counters.add(.udpSendFailed)
        }
        releaseMessage(place.slot)
        perform()
    }

    /// Deals with a message that the kernel refused: true when it is on its way again, whole or in pieces. Otherwise the
    /// guest has been told.
    private mutating func isSentAgain(
        _ message: UnsafeMutablePointer<SendMessage>, _ place: Handle, _ completion: Completion
    ) -> Bool {
        let mapping = message.pointee.owner
        let error = -completion.result
        var descriptor: Int32 = -1
        var queued = 0
        if let socket = datagrams.pointer(mapping.slot), socket.pointee.flow == mapping {
            descriptor = socket.pointee.descriptor
            queued = drainErrors(descriptor) { stack, error, payload in
                Self.report(error, payload, of: mapping, to: &stack)
            }
        } else if let forwarded = stack.forwardedMapping(mapping),
            let listener = forwards.pointer(inSlot: forwarded.listener)
        {
            descriptor = listener.pointee.descriptor
            queued = drainForwardedErrors(listener.pointee)
        }
        guard descriptor >= 0 else { return false }
        let excess = error == EMSGSIZE && message.pointee.dontFragment ? pathMTU(of: message) : nil
        if queued > 0, excess == nil, !message.pointee.hasRetried {
            // The error was that of an earlier datagram; this one was not sent.
            message.pointee.hasRetried = true
            prepareSend(message, descriptor, completion.tag)
            return true
        }
        if message.pointee.isTrain, Self.refusesTrain(error) {
            // Of datagrams that must not be cut the guest makes smaller ones, which may go as trains again.
            if let socket = datagrams.pointer(mapping.slot), socket.pointee.flow == mapping,
                !message.pointee.dontFragment || error != EMSGSIZE && error != EINVAL
            {
                socket.pointee.cannotSegment = true
            }
            cutTrain(place, descriptor)
            return true
        }
        reportSendFailure(message, mapping, error, pathMTU: excess ?? 0)
        return false
    }

    /// The MTU of a message's path where that is what it exceeds; `nil` where the kernel's word is about another datagram.
    private func pathMTU(of message: UnsafeMutablePointer<SendMessage>) -> UInt32? {
        let target = message.pointee.target
        guard let mtu = PathMTU.toward(target, from: message.pointee.source) else { return nil }
        let length = message.pointee.isTrain ? Int(message.pointee.segmentSize) : message.pointee.length
        return length + (target.address.isIPv4 ? 28 : 48) > Int(mtu) ? mtu : nil
    }

    /// A datagram that the host's kernel refused at once: what a router would say.
    private mutating func reportSendFailure(
        _ message: UnsafeMutablePointer<SendMessage>, _ mapping: Handle, _ error: Int32, pathMTU: UInt32
    ) {
        guard let reason = Self.reason(ofLocal: error, information: pathMTU) else { return }
        let slice = message.pointee.slices[0]
        stack.datagramFailed(
            mapping, to: message.pointee.target, reason, from: nil,
            payload: UnsafeRawBufferPointer(start: slice.iov_base, count: slice.iov_len))
    }

    /// Errors of a socket that are read at a time; what is left comes with the next one.
    static var mostErrors: Int { 16 }

    /// Reads a socket's queue of errors; answers how many there were.
    mutating func drainErrors(
        _ descriptor: Int32, _ take: (inout Stack, DatagramError, UnsafeRawBufferPointer) -> Void
    ) -> Int {
        var count = 0
        while count < Self.mostErrors, ErrorQueue.next(of: descriptor, { take(&stack, $0, $1) }) { count += 1 }
        return count
    }

    static func report(
        _ error: DatagramError, _ payload: UnsafeRawBufferPointer, of mapping: Handle, to stack: inout Stack
    ) {
        guard let reason = reason(of: error) else { return }
        stack.datagramFailed(
            mapping, to: error.destination, reason, from: error.offender, payload: payload)
    }

    /// What the guest is told about an error that the kernel queued.
    static func reason(of error: DatagramError) -> ICMPError.Reason? {
        switch error.origin {
        case .icmp: .reported(type: error.type, code: error.code, parameter: error.information)
        // It is told when the send's own result comes, which has the datagram too.
        case .local where error.errno == EMSGSIZE: nil
        case .local: reason(ofLocal: error.errno, information: error.information)
        }
    }

    static func reason(ofLocal error: Int32, information: UInt32) -> ICMPError.Reason? {
        switch error {
        case ECONNREFUSED: .portUnreachable
        case EHOSTUNREACH, EHOSTDOWN: .hostUnreachable
        case ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EINVAL, EAFNOSUPPORT: .networkUnreachable
        case EACCES, EPERM: .administrativelyProhibited
        case EMSGSIZE: .packetTooBig(mtu: information == 0 ? UInt32(NetworkPlan.minimumMTU) : information)
        default: nil
        }
    }

    mutating func closeDatagram(_ effect: Effect) {
        let mapping = effect.handle
        guard let socket = datagrams.pointer(mapping.slot), socket.pointee.flow == mapping else { return }
        if socket.pointee.isReceiving { cancel(Operation.datagramReceive.tag(mapping)) }
        // What is in flight keeps the file, or ends; its completions find a stale handle.
        closeWatched(socket.pointee.descriptor, reset: false)
        datagrams.remove(mapping.slot)
        counters.add(.hostSockets, -1)
        shared.descriptors.release()
    }

    // MARK: From the host

    mutating func datagramReceived(_ completion: Completion) {
        let mapping = completion.tag.handle
        var lease = Lease.none
        if completion.hasBuffer { lease = hostBuffers.take(completion.bufferIdentifier) }
        guard Int(mapping.slot) < datagrams.capacity, let socket = datagrams.pointer(mapping.slot),
            socket.pointee.flow == mapping
        else {
            if !lease.isNone { pool.pointee.release(lease) }
            return
        }
        if !completion.hasMore { socket.pointee.isReceiving = false }
        if completion.result >= 0, !lease.isNone {
            if let datagram = readDatagram(lease, octets: Int(completion.result)) {
                gather(datagram, lease, for: mapping)
            } else {
                pool.pointee.release(lease)
            }
        } else if !lease.isNone {
            pool.pointee.release(lease)
        } else if completion.result == -ENOBUFS {
            counters.add(.receivesStarved)
            if !isLinkCongested { hostBuffers.grow() }
        } else if completion.result < 0 {
            _ = drainErrors(socket.pointee.descriptor) { stack, error, payload in
                Self.report(error, payload, of: mapping, to: &stack)
            }
        }
        perform()
        // The mapping may have ended in the meantime.
        guard let socket = datagrams.pointer(mapping.slot), socket.pointee.flow == mapping,
            !socket.pointee.isReceiving
        else { return }
        if completion.result == -ENOBUFS {
            socket.pointee.isStarved = true
            hasStarvedDatagrams = true
        } else {
            socket.pointee.isReceiving = true
            armDatagramReceive(socket.pointee.descriptor, completion.tag)
        }
    }

    /// Where a received datagram lies in its buffer, and what came with it.
    struct ReceivedDatagram {
        var sender: TransportAddress
        var offset: Int
        var length: Int
        var notes: ringway_datagram_notes
        var segmentSize: Int { Int(notes.segment_size) }
        /// What the guest is to see of its header; a hop limit of zero is not for a wire.
        var marks: DatagramMarks {
            DatagramMarks(
                hopLimit: notes.hop_limit < 0 ? 64 : UInt8(clamping: max(1, notes.hop_limit)),
                trafficClass: notes.traffic_class < 0 ? 0 : UInt8(truncatingIfNeeded: notes.traffic_class))
        }
    }

    /// Reads what the kernel laid before the payload (io_uring_recvmsg_multishot(3)); every length is checked.
    func readDatagram(_ lease: Lease, octets: Int) -> ReceivedDatagram? {
        let prologue = MemoryLayout<io_uring_recvmsg_out>.size
        let payloadOffset = prologue + Int(Self.nameRoom) + Self.controlRoom
        guard octets >= payloadOffset else { return nil }
        let start = space.address(of: lease) + hostBuffers.headroom
        let header = start.loadUnaligned(as: io_uring_recvmsg_out.self)
        guard header.flags & UInt32(MSG_TRUNC) == 0, header.namelen <= Self.nameRoom,
            Int(header.controllen) <= Self.controlRoom
        else {
            counters.add(.droppedUnsupported)
            return nil
        }
        guard let sender = SocketAddress.read(start + prologue, length: header.namelen) else { return nil }
        var notes = ringway_datagram_notes()
        ringway_read_datagram_control(start + prologue + Int(Self.nameRoom), header.controllen, &notes)
        return ReceivedDatagram(
            sender: sender, offset: hostBuffers.headroom + payloadOffset, length: octets - payloadOffset, notes: notes)
    }

    /// Arms again, when buffers have come back, the receives that had found none.
    mutating func retryStarvedDatagrams() {
        guard hasStarvedDatagrams, hostBuffers.available > 0 else { return }
        hasStarvedDatagrams = false
        for slot in 0..<UInt32(datagrams.capacity) {
            guard let socket = datagrams.pointer(slot), socket.pointee.isStarved else { continue }
            socket.pointee.isStarved = false
            socket.pointee.isReceiving = true
            armDatagramReceive(
                socket.pointee.descriptor, Operation.datagramReceive.tag(socket.pointee.flow))
        }
        for slot in 0..<UInt32(pings.capacity) {
            guard let socket = pings.pointer(slot), socket.pointee.isStarved else { continue }
            socket.pointee.isStarved = false
            socket.pointee.isReceiving = true
            armDatagramReceive(socket.pointee.descriptor, Operation.pingReceive.tag(socket.pointee.flow))
        }
        retryStarvedEchoes()
        for slot in 0..<forwards.highWater {
            guard let socket = forwards.pointer(inSlot: slot), socket.pointee.isStarved else { continue }
            socket.pointee.isStarved = false
            armForwardedReceive(forwards.handle(ofSlot: slot))
        }
        if nameService >= 0, !isNameServiceReceiving { armNameService() }
    }
}
