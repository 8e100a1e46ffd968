internal import RingwayStorage
internal import RingwayWire

/// ICMP errors from the guest, about packets that it was sent in a remote host's name.
extension Stack {
    mutating func receiveGuestError(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        guard let error = GuestError(summary, bytes) else { return counters.add(.droppedUnsupported) }
        counters.add(.icmpErrorsFromGuest)
        switch error.quoted.protocolNumber {
        case IPProtocol.udp: datagramReturned(error)
        case IPProtocol.tcp: segmentReturned(error)
        default: break
        }
    }

    /// A datagram did not arrive. Only what a mapping has to do with is believed.
    private mutating func datagramReturned(_ error: GuestError) {
        let quoted = error.quoted
        let key = FlowKey(
            guest: quoted.destination, guestPort: quoted.destinationPort, remote: quoted.source,
            remotePort: quoted.sourcePort, transport: .udp)
        let reference = table.find(key) ?? table.find(error.flowKey)
        guard let reference, reference.kind == .udp || reference.kind == .forwardedUDP,
            let mapping = mappings.pointer(inSlot: reference.slot)
        else { return }
        switch error.reason {
        case .packetTooBig(let mtu): pathMTUs.note(mtu, toward: quoted.destination, now: now)
        case .portUnreachable, .unreachable:
            if mapping.pointee.isForwarded {
                refuse(reference.slot)
            } else if error.reason == .portUnreachable, mapping.pointee.peer.port == quoted.sourcePort,
                addressForGuest(of: mapping.pointee.peer.address) == quoted.source
            {
                // The socket that spoke to this peer last is closed. With the mapping goes the host's socket, and the
                // host's kernel says the same to the peer from now on. An error about any other peer may come from a
                // socket that is connected, and means nothing.
                removeMapping(slot: reference.slot)
            }
        case .other: break
        }
    }

    /// Outside, the host is the server: whatever is wrong inside, its port is closed.
    private mutating func refuse(_ slot: UInt32) {
        guard refusalBucket.take(now: now) else { return counters.add(.udpRefusalsNotPassedOn) }
        effects.append(Effect(.refuseDatagram, mappings.handle(ofSlot: slot)))
    }
}
