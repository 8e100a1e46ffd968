internal import RingwayStorage
public import RingwayWire

/// The services that the gateway answers itself.
extension Stack {
    mutating func receiveARP(_ bytes: UnsafeRawBufferPointer) {
        if let binding = arp.binding(in: bytes) {
            if binding.address == IPAddress(guestIPv4) { guestMAC = binding.mac }
            tellShown(binding.address)
        }
        guard let answer = prepareAnswer(limit: 64) else { return }
        let guest = guestIPv4
        let hasNeighbors = configuration.hasNeighbors
        let plan = plan
        let written = arp.respond(to: bytes, into: answer.room) { address in
            address == guest || hasNeighbors && address != plan.gatewayIPv4 && address != plan.hostIPv4
        }
        sendAnswer(answer.lease, octets: written, .arpAnswers)
    }

    mutating func receiveNeighborDiscovery(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        if let address = neighbors.address(shownIn: bytes, summary) { tellShown(address) }
        guard let answer = prepareAnswer() else { return }
        switch bytes[Int(summary.transportOffset)] {
        case ICMPv6Header.neighborSolicitation:
            let written = neighbors.respond(to: bytes, summary, into: answer.room)
            sendAnswer(answer.lease, octets: written, .neighborAnswers)
        case ICMPv6Header.routerSolicitation:
            let limited = routers.drops[.solicitationRateLimited]
            let written = routers.respond(to: bytes, summary, now: now, into: answer.room)
            if routers.drops[.solicitationRateLimited] != limited { counters.add(.routerSolicitationsRefused) }
            if written == 0 { counters.add(.droppedService) }
            sendAnswer(answer.lease, octets: written, .routerAdvertisements)
            scheduleServices()
        case ICMPv6Header.neighborAdvertisement: release(answer.lease)
        default:
            counters.add(.droppedService)
            release(answer.lease)
        }
    }

    mutating func tellShown(_ address: IPAddress) {
        var effect = Effect(.guestShown)
        effect.address.address = address
        effects.append(effect)
    }

    /// Asks the guest for an address of its own; `guestShown` is the answer.
    public mutating func askGuest(for address: IPAddress) {
        guard let question = prepareAnswer(limit: max(ARPResponder.frameLength, NeighborDiscovery.frameLength)) else {
            return
        }
        let octets =
            address.isIPv4
            ? arp.request(for: address.ipv4, into: question.room)
            : neighbors.solicitation(for: address.ipv6, into: question.room)
        guard octets > 0 else { return release(question.lease) }
        writeFrame(question.lease, offset: 0, length: VirtioNetHeader.length + octets)
    }

    mutating func receiveDHCP(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        guard let answer = prepareAnswer() else { return }
        let declines = dhcp.counts.declines
        let written = dhcp.respond(to: bytes, summary, now: now, into: answer.room)
        if written == 0, dhcp.counts.declines == declines { counters.add(.droppedService) }
        sendAnswer(answer.lease, octets: written, .dhcpAnswers)
        guard dhcp.counts.declines != declines else { return }
        counters.add(.dhcpDeclines)
        // Where the guest has neighbours, its addresses are the network's to give.
        if configuration.hasNeighbors { effects.append(Effect(.replaceAddress)) }
    }

    /// The server of addresses: it has the whole range for a guest that is alone, and one address where others have theirs.
    static func addressServer(_ configuration: Configuration, guest: IPv4Address) -> DHCPServer {
        var plan = configuration.plan
        if configuration.hasNeighbors {
            plan.firstGuestIPv4 = guest
            plan.lastGuestIPv4 = guest
        }
        var server = DHCPServer(plan: plan)
        _ = server.reserve(guest, for: configuration.guestMAC)
        return server
    }

    /// The guest has another address from now on.
    public mutating func setGuestIPv4(_ address: IPv4Address) {
        guard address != guestIPv4 else { return }
        guestIPv4 = address
        dhcp = Self.addressServer(configuration, guest: address)
        dhcp.setSearchDomains(searchDomains)
    }

    /// Has the guest search other domains: told by DHCP from its next message on, and by a router advertisement at once.
    public mutating func setSearchDomains(_ domains: [String]) {
        searchDomains = domains
        dhcp.setSearchDomains(domains)
        routers.setSearchDomains(domains, now: now)
        if isServiceShard { scheduleServices() }
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
