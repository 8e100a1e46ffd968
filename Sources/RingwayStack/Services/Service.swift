internal import RingwayStorage
internal import RingwayWire

/// The services that the gateway answers itself.
extension Stack {
    mutating func receiveARP(_ bytes: UnsafeRawBufferPointer) {
        if let binding = arp.binding(in: bytes), binding.address == IPAddress(configuration.guestIPv4) {
            guestMAC = binding.mac
        }
        guard let answer = prepareAnswer(limit: 64) else { return }
        let guest = configuration.guestIPv4
        let hasNeighbors = configuration.hasNeighbors
        let plan = plan
        let written = arp.respond(to: bytes, into: answer.room) { address in
            address == guest || hasNeighbors && address != plan.gatewayIPv4 && address != plan.hostIPv4
        }
        sendAnswer(answer.lease, octets: written, .arpAnswers)
    }

    mutating func receiveNeighborDiscovery(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        guard let answer = prepareAnswer() else { return }
        switch bytes[Int(summary.transportOffset)] {
        case ICMPv6Header.neighborSolicitation:
            let written = neighbors.respond(to: bytes, summary, into: answer.room)
            sendAnswer(answer.lease, octets: written, .neighborAnswers)
        case ICMPv6Header.routerSolicitation:
            let written = routers.respond(to: bytes, summary, now: now, into: answer.room)
            sendAnswer(answer.lease, octets: written, .routerAdvertisements)
            scheduleServices()
        default:
            counters.add(.droppedService)
            release(answer.lease)
        }
    }

    mutating func receiveDHCP(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        guard let answer = prepareAnswer() else { return }
        let written = dhcp.respond(to: bytes, summary, now: now, into: answer.room)
        if written == 0 { counters.add(.droppedService) }
        sendAnswer(answer.lease, octets: written, .dhcpAnswers)
    }

    // MARK: Their timer

    /// Lets the wheel wake us for the earliest of the services' deadlines.
    mutating func scheduleServices() {
        var earliest = routers.nextDeadline
        if let expiry = reassembler.nextDeadline { earliest = min(earliest, expiry) }
        wheel.schedule(serviceTimers, at: earliest)
    }

    mutating func runServiceTimer() {
        let dropped = reassembler.drops.total
        reassembler.expire(now: now)
        let expired = reassembler.drops.total - dropped
        if expired > 0 { counters.add(.droppedFragment, Int(expired)) }
        if routers.nextDeadline <= now, let answer = prepareAnswer() {
            let written = routers.advertise(now: now, into: answer.room)
            sendAnswer(answer.lease, octets: written, .routerAdvertisements)
        }
        scheduleServices()
    }
}
