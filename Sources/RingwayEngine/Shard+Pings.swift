internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// The host sockets of pings.
extension Shard {
    /// Takes the effect's lease.
    mutating func sendEcho(_ effect: Effect) {
        let ping = effect.handle
        guard let socket = pingSocket(ping) else {
            return stack.pingRefused(
                ping, to: effect.address.address, effect.lease, offset: Int(effect.offset),
                length: Int(effect.length))
        }
        let message = space.address(of: effect.lease) + Int(effect.offset)
        if socket.pointee.isRaw {
            // A ping socket would put its own identifier in and sum up; a raw one leaves both to us, except ICMPv6's sum.
            message.storeBytes(of: socket.pointee.identifier.bigEndian, toByteOffset: 4, as: UInt16.self)
            message.storeBytes(of: 0, toByteOffset: 2, as: UInt16.self)
            if socket.pointee.isIPv4 {
                let bytes = UnsafeRawBufferPointer(start: message, count: Int(effect.length))
                message.storeBytes(of: Checksum.finish(Checksum.partial(bytes)), toByteOffset: 2, as: UInt16.self)
            }
        }
        let isIPv4 = socket.pointee.isIPv4
        if socket.pointee.isRaw {
            var setting = rawEchoes[isIPv4: isIPv4].fragmentation
            forbidFragments(effect, &setting, socket.pointee.descriptor, ipv4: isIPv4)
            rawEchoes[isIPv4: isIPv4].fragmentation = setting
        } else {
            forbidFragments(effect, &socket.pointee.fragmentation, socket.pointee.descriptor, ipv4: isIPv4)
        }
        prepareDatagram(
            effect, descriptor: socket.pointee.descriptor, source: nil, Operation.pingSend, canSegment: false)
    }

    private mutating func pingSocket(_ ping: Handle) -> UnsafeMutablePointer<DatagramSocket>? {
        if let socket = pings.pointer(ping.slot) { return socket.pointee.flow == ping ? socket : nil }
        guard let key = stack.pingKey(ping) else { return nil }
        let isIPv4 = key.guest.isIPv4
        if rawEchoes[isIPv4: isIPv4].descriptor >= 0 { return joinRawEchoes(ping, isIPv4: isIPv4) }
        guard admit() == .granted else {
            counters.add(.descriptorsExhausted)
            return nil
        }
        let opened = DatagramSocket.openPing(ipv4: isIPv4)
        guard opened >= 0 else {
            shared.descriptors.release()
            // The one raw socket of all pings counts as the shard's own, like its ring.
            return opened == -EACCES || opened == -EPERM ? joinRawEchoes(ping, isIPv4: isIPv4) : nil
        }
        counters.add(.hostSockets)
        var made = DatagramSocket(descriptor: opened, flow: ping, isIPv4: isIPv4)
        made.isReceiving = true
        let socket = pings.insert(made, ping.slot)
        armDatagramReceive(opened, Operation.pingReceive.tag(ping))
        return socket
    }

    private mutating func joinRawEchoes(_ ping: Handle, isIPv4: Bool) -> UnsafeMutablePointer<DatagramSocket>? {
        let isFirst = rawEchoes[isIPv4: isIPv4].descriptor < 0
        guard let identifier = rawEchoes.join(isIPv4: isIPv4, slot: ping.slot, pings: pings.capacity) else {
            return nil
        }
        if isFirst {
            counters.add(.hostSockets)
            armRawEchoes(isIPv4: isIPv4)
        }
        var made = DatagramSocket(descriptor: rawEchoes[isIPv4: isIPv4].descriptor, flow: ping, isIPv4: isIPv4)
        made.isRaw = true
        made.identifier = identifier
        return pings.insert(made, ping.slot)
    }

    private mutating func leaveRawEchoes(isIPv4: Bool) {
        rawEchoes[isIPv4: isIPv4].users -= 1
        guard rawEchoes[isIPv4: isIPv4].users == 0 else { return }
        if rawEchoes[isIPv4: isIPv4].isReceiving { cancel(rawEchoTag(isIPv4: isIPv4)) }
        closeWatched(rawEchoes[isIPv4: isIPv4].relinquish(), reset: false)
        counters.add(.hostSockets, -1)
    }

    private func rawEchoTag(isIPv4: Bool) -> OperationTag {
        Operation.rawEchoReceive.tag(
            Handle(slot: isIPv4 ? 1 : 0, generation: rawEchoes[isIPv4: isIPv4].generation))
    }

    private mutating func armRawEchoes(isIPv4: Bool) {
        rawEchoes[isIPv4: isIPv4].isReceiving = true
        armDatagramReceive(rawEchoes[isIPv4: isIPv4].descriptor, rawEchoTag(isIPv4: isIPv4))
    }

    /// Receives again where no buffer was found.
    mutating func retryStarvedEchoes() {
        if rawEchoes.ipv4.isStarved { retryStarvedEchoes(isIPv4: true) }
        if rawEchoes.ipv6.isStarved { retryStarvedEchoes(isIPv4: false) }
    }

    private mutating func retryStarvedEchoes(isIPv4: Bool) {
        rawEchoes[isIPv4: isIPv4].isStarved = false
        armRawEchoes(isIPv4: isIPv4)
    }

    mutating func pingSent(_ completion: Completion) {
        let place = completion.tag.handle
        guard let message = messages.pointer(to: place) else { return }
        if completion.result < 0 {
            let ping = message.pointee.owner
            if let socket = pings.pointer(ping.slot), socket.pointee.flow == ping {
                let queued = drainPingErrors(socket)
                let error = -completion.result
                let mtu = error == EMSGSIZE ? PathMTU.toward(message.pointee.target) : nil
                if queued > 0, mtu == nil, !message.pointee.hasRetried {
                    // The error was that of an earlier echo; this one was not sent.
                    message.pointee.hasRetried = true
                    prepareSend(message, socket.pointee.descriptor, completion.tag)
                    return perform()
                }
                if queued == 0 || mtu != nil, let reason = Self.reason(ofLocal: error, information: mtu ?? 0) {
                    let slice = message.pointee.slices[0]
                    stack.pingFailed(
                        ping, to: message.pointee.target.address, reason, from: nil,
                        message: UnsafeRawBufferPointer(start: slice.iov_base, count: slice.iov_len))
                }
            }
        }
        releaseMessage(place.slot)
        perform()
    }

    private mutating func drainPingErrors(_ socket: UnsafeMutablePointer<DatagramSocket>) -> Int {
        if socket.pointee.isRaw { return drainRawEchoErrors(isIPv4: socket.pointee.isIPv4) }
        let ping = socket.pointee.flow
        return drainErrors(socket.pointee.descriptor) { stack, error, payload in
            guard let reason = Self.reason(of: error) else { return }
            stack.pingFailed(
                ping, to: error.destination.address, reason, from: error.offender, message: payload)
        }
    }

    /// A raw socket is told of all that went wrong with echoes of the host; the message that the kernel gives back says
    /// whose it was.
    private mutating func drainRawEchoErrors(isIPv4: Bool) -> Int {
        let descriptor = rawEchoes[isIPv4: isIPv4].descriptor
        var count = 0
        while count < Self.mostErrors,
            ErrorQueue.next(
                of: descriptor,
                { error, payload in
                    guard let reason = Self.reason(of: error), let echo = ICMPv4Header(payload),
                        let ping = rawPing(of: echo.identifier, isIPv4: isIPv4)
                    else { return }
                    stack.pingFailed(
                        ping, to: error.destination.address, reason, from: error.offender, message: payload)
                })
        { count += 1 }
        return count
    }

    mutating func pingReceived(_ completion: Completion) {
        let ping = completion.tag.handle
        var lease = Lease.none
        if completion.hasBuffer { lease = hostBuffers.take(completion.bufferIdentifier) }
        guard Int(ping.slot) < pings.capacity, let socket = pings.pointer(ping.slot), socket.pointee.flow == ping
        else {
            if !lease.isNone { pool.pointee.release(lease) }
            return
        }
        if !completion.hasMore { socket.pointee.isReceiving = false }
        if completion.result >= 0, !lease.isNone {
            takeEcho(socket, lease, octets: Int(completion.result))
        } else {
            if !lease.isNone { pool.pointee.release(lease) }
            if completion.result < 0, completion.result != -ENOBUFS { _ = drainPingErrors(socket) }
        }
        perform()
        guard let socket = pings.pointer(ping.slot), socket.pointee.flow == ping, !socket.pointee.isReceiving
        else { return }
        if completion.result == -ENOBUFS {
            socket.pointee.isStarved = true
            hasStarvedDatagrams = true
        } else {
            socket.pointee.isReceiving = true
            armDatagramReceive(socket.pointee.descriptor, completion.tag)
        }
    }

    /// Takes the lease.
    private mutating func takeEcho(_ socket: UnsafeMutablePointer<DatagramSocket>, _ lease: Lease, octets: Int) {
        guard let datagram = readDatagram(lease, octets: octets) else { return pool.pointee.release(lease) }
        pass(datagram, to: socket.pointee.flow, lease, hopLimit: datagram.notes.hop_limit)
    }

    /// Takes the lease.
    private mutating func pass(_ echo: ReceivedDatagram, to ping: Handle, _ lease: Lease, hopLimit: Int32) {
        stack.echoReceived(
            ping, from: echo.sender.address, lease, offset: echo.offset, length: echo.length,
            hopLimit: UInt8(clamping: hopLimit < 0 ? 64 : hopLimit))
    }

    mutating func rawEchoReceived(_ completion: Completion) {
        var lease = Lease.none
        if completion.hasBuffer { lease = hostBuffers.take(completion.bufferIdentifier) }
        let isIPv4 = completion.tag.index == 1
        guard completion.tag.generation == rawEchoes[isIPv4: isIPv4].generation,
            rawEchoes[isIPv4: isIPv4].descriptor >= 0
        else {
            if !lease.isNone { pool.pointee.release(lease) }
            return
        }
        if !completion.hasMore { rawEchoes[isIPv4: isIPv4].isReceiving = false }
        if completion.result >= 0, !lease.isNone {
            takeRawEcho(lease, octets: Int(completion.result), isIPv4: isIPv4)
        } else {
            if !lease.isNone { pool.pointee.release(lease) }
            if completion.result < 0, completion.result != -ENOBUFS { _ = drainRawEchoErrors(isIPv4: isIPv4) }
        }
        perform()
        // What was performed may have ended the last ping.
        guard completion.tag.generation == rawEchoes[isIPv4: isIPv4].generation,
            !rawEchoes[isIPv4: isIPv4].isReceiving
        else { return }
        if completion.result == -ENOBUFS {
            rawEchoes[isIPv4: isIPv4].isStarved = true
            hasStarvedDatagrams = true
        } else {
            armRawEchoes(isIPv4: isIPv4)
        }
    }

    /// Takes the lease.
    private mutating func takeRawEcho(_ lease: Lease, octets: Int, isIPv4: Bool) {
        guard var datagram = readDatagram(lease, octets: octets) else { return pool.pointee.release(lease) }
        var bytes = UnsafeRawBufferPointer(
            start: space.address(of: lease) + datagram.offset, count: datagram.length)
        var hopLimit = datagram.notes.hop_limit
        if isIPv4 {
            guard let header = IPv4Header(bytes) else { return pool.pointee.release(lease) }
            hopLimit = Int32(header.timeToLive)
            datagram.offset += header.headerLength
            datagram.length -= header.headerLength
            bytes = UnsafeRawBufferPointer(rebasing: bytes[header.headerLength...])
        }
        guard let reply = ICMPv4Header(bytes), let ping = rawPing(of: reply.identifier, isIPv4: isIPv4) else {
            return pool.pointee.release(lease)
        }
        pass(datagram, to: ping, lease, hopLimit: hopLimit)
    }

    /// The ping that sends with an identifier, if it is one of this shard's.
    private func rawPing(of identifier: UInt16, isIPv4: Bool) -> Handle? {
        guard let slot = rawEchoes.identifiers?.slot(of: identifier), Int(slot) < pings.capacity,
            let socket = pings.pointer(slot), socket.pointee.isRaw, socket.pointee.isIPv4 == isIPv4
        else { return nil }
        return socket.pointee.flow
    }

    mutating func closeEcho(_ effect: Effect) {
        let ping = effect.handle
        guard let socket = pings.pointer(ping.slot), socket.pointee.flow == ping else { return }
        pings.remove(ping.slot)
        if socket.pointee.isRaw { return leaveRawEchoes(isIPv4: socket.pointee.isIPv4) }
        if socket.pointee.isReceiving { cancel(Operation.pingReceive.tag(ping)) }
        closeWatched(socket.pointee.descriptor, reset: false)
        counters.add(.hostSockets, -1)
        shared.descriptors.release()
    }
}
