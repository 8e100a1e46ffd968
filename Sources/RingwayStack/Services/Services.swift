internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// The services of the gateway other than DNS: ARP, neighbour discovery, router advertisements and DHCP. They run on
/// one shard and share a timer with the reassembler.
struct Services: ~Copyable {
    private var arp: ARPResponder
    private var neighbors: NeighborDiscovery
    private var routers: RouterAdvertisement
    private var dhcp: DHCPServer
    private var searchDomains: [String]
    private var assignedIPv4: IPv4Address

    static var dhcpServerPort: UInt16 { 67 }

    init(_ configuration: StackConfiguration, now: UInt64) {
        arp = ARPResponder(plan: configuration.plan)
        neighbors = NeighborDiscovery(plan: configuration.plan)
        routers = RouterAdvertisement(
            plan: configuration.plan, configuration: Self.advertisements(configuration), now: now)
        dhcp = Self.addressServer(configuration, guest: configuration.guestIPv4)
        searchDomains = configuration.plan.searchDomains
        assignedIPv4 = configuration.guestIPv4
    }

    /// The settings of the router advertisements. The seed of the random intervals differs between guests, because
    /// guests that start together would otherwise get every advertisement together.
    private static func advertisements(_ configuration: StackConfiguration) -> RouterAdvertisement.Configuration {
        var advertisements = RouterAdvertisement.Configuration()
        advertisements.seed ^= SipHash(secret: configuration.secret, purpose: 0xD6E8_FEB8_6659_FD93).finish()
        return advertisements
    }

    /// The IPv4 address that DHCP assigns to the guest.
    var guestIPv4: IPv4Address { assignedIPv4 }

    // MARK: From the guest

    mutating func receiveARP(_ bytes: UnsafeRawBufferPointer, _ core: inout StackCore) {
        if let binding = arp.binding(in: bytes) {
            if binding.address == IPAddress(assignedIPv4) { core.guestMAC = binding.mac }
            core.reportShown(binding.address)
        }
        guard let reply = core.prepareReply(limit: 64) else { return }
        let guest = assignedIPv4
        let hasNeighbors = core.configuration.hasNeighbors
        // The closure captures single addresses, because capturing the plan would copy it.
        let (gateway, host) = (core.plan.gatewayIPv4, core.plan.hostIPv4)
        let written = arp.respond(to: bytes, into: reply.room) { address in
            address == guest || hasNeighbors && address != gateway && address != host
        }
        core.sendReply(reply.lease, bytes: written, .arpAnswers)
    }

    /// Handles a neighbour discovery message. True for a router solicitation, after which the caller sets the timer
    /// of the services again.
    mutating func receiveNeighborDiscovery(
        _ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer, _ core: inout StackCore
    ) -> Bool {
        if let address = neighbors.address(shownIn: bytes, summary) { core.reportShown(address) }
        guard let reply = core.prepareReply() else { return false }
        switch bytes[Int(summary.transportOffset)] {
        case ICMPv6Header.neighborSolicitation:
            let written = neighbors.respond(to: bytes, summary, into: reply.room)
            core.sendReply(reply.lease, bytes: written, .neighborAnswers)
        case ICMPv6Header.routerSolicitation:
            let limited = routers.drops[.solicitationRateLimited]
            let written = routers.respond(to: bytes, summary, now: core.now, into: reply.room)
            if routers.drops[.solicitationRateLimited] != limited { core.counters.add(.routerSolicitationsRefused) }
            if written == 0 { core.counters.add(.droppedService) }
            core.sendReply(reply.lease, bytes: written, .routerAdvertisements)
            return true
        case ICMPv6Header.neighborAdvertisement: core.release(reply.lease)
        default:
            core.counters.add(.droppedService)
            core.release(reply.lease)
        }
        return false
    }

    mutating func receiveDHCP(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer, _ core: inout StackCore) {
        guard let reply = core.prepareReply() else { return }
        let declines = dhcp.counts.declines
        let written = dhcp.respond(to: bytes, summary, now: core.now, into: reply.room)
        if written == 0, dhcp.counts.declines == declines { core.counters.add(.droppedService) }
        core.sendReply(reply.lease, bytes: written, .dhcpAnswers)
        guard dhcp.counts.declines != declines else { return }
        core.counters.add(.dhcpDeclines)
        // On a network with several guests, this DHCP server has only one address: the network must assign another.
        if core.configuration.hasNeighbors { core.effects.append(Effect(.replaceAddress)) }
    }

    // MARK: To the guest

    /// Sends an ARP request or neighbour solicitation for a guest's address; the effect `guestShown` reports the reply.
    mutating func solicitGuest(for address: IPAddress, _ core: inout StackCore) {
        let limit = max(ARPResponder.frameLength, NeighborDiscovery.frameLength)
        guard let question = core.prepareReply(limit: limit) else { return }
        let bytes =
            address.isIPv4
            ? arp.request(for: address.ipv4, into: question.room)
            : neighbors.solicitation(for: address.ipv6, into: question.room)
        guard bytes > 0 else { return core.release(question.lease) }
        core.writeFrame(question.lease, offset: 0, length: VirtioNetHeader.length + bytes)
    }

    /// The earliest time at which `advertise` has work.
    var nextDeadline: UInt64 { mutating get { routers.nextDeadline } }

    /// Sends the router advertisement if it is due.
    mutating func advertise(_ core: inout StackCore) {
        guard routers.nextDeadline <= core.now, let reply = core.prepareReply() else { return }
        let written = routers.advertise(now: core.now, into: reply.room)
        core.sendReply(reply.lease, bytes: written, .routerAdvertisements)
    }

    // MARK: Settings

    /// The DHCP server. For a guest that is alone on its network it has the whole range; on a network with several
    /// guests it has a single address.
    private static func addressServer(_ configuration: StackConfiguration, guest: IPv4Address) -> DHCPServer {
        var plan = configuration.plan
        if configuration.hasNeighbors {
            plan.firstGuestIPv4 = guest
            plan.lastGuestIPv4 = guest
        }
        var server = DHCPServer(plan: plan)
        _ = server.reserve(guest, for: configuration.guestMAC)
        return server
    }

    /// Changes the address that DHCP assigns to the guest. The DHCP server is replaced, and its leases are lost.
    mutating func setGuestIPv4(_ address: IPv4Address, _ core: inout StackCore) {
        guard address != assignedIPv4 else { return }
        assignedIPv4 = address
        dhcp = Self.addressServer(core.configuration, guest: address)
        dhcp.setSearchDomains(searchDomains)
    }

    /// Changes the search domains. DHCP uses them from the next reply on; a router advertisement is sent immediately.
    mutating func setSearchDomains(_ domains: [String], now: UInt64) {
        searchDomains = domains
        dhcp.setSearchDomains(domains)
        routers.setSearchDomains(domains, now: now)
    }
}
