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
        let ping = Handle(slot: effect.slot, generation: effect.generation)
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
        forbidFragments(effect, &socket.pointee.fragmentation, socket.pointee.descriptor, ipv4: socket.pointee.isIPv4)
        prepareDatagram(
            effect, descriptor: socket.pointee.descriptor, source: nil, Operation.pingSend, canSegment: false)
    }

    private mutating func pingSocket(_ ping: Handle) -> UnsafeMutablePointer<DatagramSocket>? {
        if let socket = pings.pointer(ping.slot) { return socket.pointee.flow == ping ? socket : nil }
        guard let key = stack.pingKey(ping) else { return nil }
        let ipv4 = key.guest.isIPv4
        // Unlikely to be another pinger's on this host: raw sockets see everybody's replies.
        let identifier = UInt16(truncatingIfNeeded: key.hash(secret: shared.configuration.stack.secret))
        guard admit() == .granted else {
            counters.add(.descriptorsExhausted)
            return nil
        }
        let opened = DatagramSocket.openPing(ipv4: ipv4, identifier: identifier)
        guard opened.descriptor >= 0 else {
            shared.descriptors.release()
            return nil
        }
        counters.add(.hostSockets)
        var made = DatagramSocket(descriptor: opened.descriptor, flow: ping, isIPv4: ipv4)
        made.isRaw = opened.isRaw
        made.identifier = identifier
        made.isReceiving = true
        let socket = pings.insert(made, ping.slot)
        armDatagramReceive(opened.descriptor, Operation.pingReceive.tag(ping))
        return socket
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
        let ping = socket.pointee.flow
        return drainErrors(socket.pointee.descriptor) { stack, error, payload in
            guard let reason = Self.reason(of: error) else { return }
            stack.pingFailed(
                ping, to: error.destination.address, reason, from: error.offender, message: payload)
        }
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
        guard var datagram = readDatagram(lease, octets: octets) else { return pool.pointee.release(lease) }
        var bytes = UnsafeRawBufferPointer(
            start: space.address(of: lease) + datagram.offset, count: datagram.length)
        var hopLimit = datagram.notes.hop_limit
        if socket.pointee.isRaw {
            if socket.pointee.isIPv4 {
                guard let header = IPv4Header(bytes) else { return pool.pointee.release(lease) }
                hopLimit = Int32(header.timeToLive)
                datagram.offset += header.headerLength
                datagram.length -= header.headerLength
                bytes = UnsafeRawBufferPointer(
                    start: space.address(of: lease) + datagram.offset, count: datagram.length)
            }
            guard let reply = ICMPv4Header(bytes), reply.identifier == socket.pointee.identifier else {
                return pool.pointee.release(lease)
            }
        }
        stack.echoReceived(
            socket.pointee.flow, from: datagram.sender.address, lease, offset: datagram.offset,
            length: datagram.length, hopLimit: UInt8(clamping: hopLimit < 0 ? 64 : hopLimit))
    }

    mutating func closeEcho(_ effect: Effect) {
        let ping = Handle(slot: effect.slot, generation: effect.generation)
        guard let socket = pings.pointer(effect.slot), socket.pointee.flow == ping else { return }
        if socket.pointee.isReceiving { cancel(Operation.pingReceive.tag(ping)) }
        closeWatched(socket.pointee.descriptor, reset: false)
        pings.remove(effect.slot)
        counters.add(.hostSockets, -1)
        shared.descriptors.release()
    }
}
