internal import CRingway
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// A message to the host that is prepared and not yet submitted, so that more datagrams may join it.
struct DepartingTrain {
    var place = Handle(slot: .max, generation: 0)
    /// The ring's round in which it was prepared.
    var round = UInt64.max
}

/// Datagrams from one sender to one mapping, gathered in the buffer of the first.
struct ArrivingTrain {
    var lease = Lease.none
    var mapping = Handle(slot: .max, generation: 0)
    var sender = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    var offset = 0
    var length = 0
    var marks = DatagramMarks()
    /// Octets of the first datagram, and of all that follow but the last.
    var size = 0
}

/// Datagrams of a flow that follow each other within a turn go on as one train, which a kernel cuts: what a datagram
/// costs is mostly the way through a kernel, and a train makes it once.
///
/// The payloads are copied together, as any small payload is that would pin a large buffer: each datagram lies in a
/// buffer for 64 KiB, and one buffer in play is kinder to the cache than thirty-two.
extension Shard {
    // MARK: Toward the host

    /// Adds a datagram to the message before it, where that is the same flow's and has not gone out yet. Takes the
    /// effect's lease when it answers true.
    mutating func joinTrain(_ effect: Effect) -> Bool {
        guard effect.segmentSize == 0, departing.round == reactor.ring.round,
            let message = messages.pointer(to: departing.place),
            message.pointee.owner == effect.handle,
            message.pointee.target == effect.address, message.pointee.hopLimit == effect.hopLimit,
            message.pointee.trafficClass == effect.trafficClass,
            message.pointee.dontFragment == effect.dontFragment,
            message.pointee.hasRoom(forDatagramOf: Int(effect.length))
        else { return false }
        let lease = message.pointee.leases[0]
        let length = message.pointee.length
        guard let payload = message.pointee.slices[0].iov_base,
            payload - space.address(of: lease) + length + Int(effect.length) <= space.size(of: lease)
        else { return false }
        (payload + length).copyMemory(
            from: space.address(of: effect.lease) + Int(effect.offset), byteCount: Int(effect.length))
        pool.pointee.release(effect.lease)
        let wasTrain = message.pointee.isTrain
        message.pointee.slices[0].iov_len += Int(effect.length)
        // The header stays where it is; it only lacks the size at which to cut.
        if !wasTrain { _ = SendMessage.sealDatagram(message) }
        counters.add(.udpJoinedToHost)
        return true
    }

    /// What the kernel answers to a train that it would take datagram by datagram: a datagram is larger than the MTU of
    /// its path, so that each must be fragmented, or the path's device leaves checksums to others.
    static func refusesTrain(_ error: Int32) -> Bool {
        error == EINVAL || error == EIO || error == EMSGSIZE || error == EOPNOTSUPP
    }

    /// Sends the datagrams of a train one by one, and ends its message.
    mutating func cutTrain(_ place: Handle, _ descriptor: Int32) {
        guard let train = messages.pointer(to: place), let base = train.pointee.slices[0].iov_base else { return }
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
            guard let place = messages.insert(single), let message = messages.pointer(to: place) else {
                counters.add(.udpSendFailed)
                continue
            }
            pool.pointee.hold(lease)
            prepareSend(message, descriptor, Operation.datagramSend.tag(place))
        }
        releaseMessage(place.slot)
    }

    // MARK: Toward the guest

    /// Gathers a datagram, or hands it to the stack when nothing may be joined to it. Takes the lease.
    mutating func gather(_ datagram: ReceivedDatagram, _ lease: Lease, for mapping: Handle) {
        if !arriving.lease.isNone {
            if joins(datagram, mapping) {
                let end = arriving.offset + arriving.length
                (space.address(of: arriving.lease) + end).copyMemory(
                    from: space.address(of: lease) + datagram.offset, byteCount: datagram.length)
                arriving.length += datagram.length
                counters.add(.udpJoinedToGuest)
                return pool.pointee.release(lease)
            }
            endGathering()
        }
        let most = shared.configuration.stack.plan.mtu - (datagram.sender.address.isIPv4 ? 28 : 48)
        if datagram.segmentSize == 0, datagram.length > 0, datagram.length <= most, stack.takesTrains {
            arriving = ArrivingTrain(
                lease: lease, mapping: mapping, sender: datagram.sender, offset: datagram.offset,
                length: datagram.length, marks: datagram.marks, size: datagram.length)
        } else {
            stack.datagramReceived(
                mapping, from: datagram.sender, lease, offset: datagram.offset, length: datagram.length,
                segmentSize: datagram.segmentSize, marks: datagram.marks)
        }
    }

    private func joins(_ datagram: ReceivedDatagram, _ mapping: Handle) -> Bool {
        datagram.segmentSize == 0 && datagram.length > 0 && datagram.length <= arriving.size
            && arriving.mapping == mapping && arriving.sender == datagram.sender && arriving.marks == datagram.marks
            && arriving.length.isMultiple(of: arriving.size)
            && arriving.length + datagram.length
                <= min(
                    arriving.size * SendMessage.trainLimit, SendMessage.trainOctets,
                    space.size(of: arriving.lease) - arriving.offset)
    }

    /// Hands what was gathered to the stack.
    mutating func endGathering() {
        guard !arriving.lease.isNone else { return }
        let train = arriving
        arriving = ArrivingTrain()
        stack.datagramReceived(
            train.mapping, from: train.sender, train.lease, offset: train.offset, length: train.length,
            segmentSize: train.length > train.size ? train.size : 0, marks: train.marks)
        perform()
    }
}
