internal import RingwayModel
internal import RingwayWire

// The effect of each message type on the lease table, and the reply to it.

extension DHCPServer {
    /// Answers DISCOVER (RFC 2131 §4.3.1).
    mutating func offer(
        _ request: DHCPRequest, now: UInt64, into reply: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let index = leases.choose(for: request.client, requested: request.requestedAddress, now: now) else {
            return drop(.dhcpPoolExhausted)
        }
        leases.offer(index, to: request.client, until: now &+ Self.offerNanoseconds, now: now)
        counts.offers &+= 1
        return write(
            .offer, to: request, address: leases.address(of: index), seconds: duration(for: request),
            hostName: request.hostName ?? leases.hostName(index), into: reply)
    }

    /// Answers REQUEST (RFC 2131 §4.3.2) in all client states: SELECTING, INIT-REBOOT, RENEWING and REBINDING.
    mutating func decide(
        _ request: DHCPRequest, now: UInt64, into reply: UnsafeMutableRawBufferPointer
    ) -> Int {
        if let server = request.server, server != gatewayIPv4 {
            // The client has selected another server, so the offered address becomes free.
            if let index = leases.find(request.client, now: now), leases.state(index, now: now) == .offered {
                leases.release(index, now: now)
            }
            return drop(.dhcpOtherServer)
        }
        // SELECTING and INIT-REBOOT use option 50 and no `ciaddr`; RENEWING and REBINDING the reverse.
        let wanted = request.requestedAddress.isUnspecified ? request.clientAddress : request.requestedAddress
        guard !wanted.isUnspecified else { return drop(.dhcpMalformed) }
        guard let index = leases.index(of: wanted), mayHave(index, request.client, now: now) else {
            counts.refusals &+= 1
            return write(
                .nak, to: request, address: .unspecified, seconds: nil, hostName: DHCPText(), into: reply)
        }
        let seconds = duration(for: request)
        leases.bind(
            index, to: request.client, hostName: request.hostName, until: now &+ UInt64(seconds) &* 1_000_000_000)
        counts.acknowledgements &+= 1
        return write(
            .ack, to: request, address: wanted, seconds: seconds, hostName: leases.hostName(index),
            into: reply)
    }

    /// Whether the address may be leased to this client. The address must be available. A client whose reserved address
    /// is available gets only that one. Any other client gets no address while a different one is leased or offered to
    /// it.
    private func mayHave(_ index: Int, _ client: DHCPClient, now: UInt64) -> Bool {
        guard leases.isAvailable(index, to: client, now: now) else { return false }
        if let reserved = leases.reservation(of: client.mac) {
            if reserved == index { return true }
            if leases.isAvailable(reserved, to: client, now: now) { return false }
        }
        guard let own = leases.find(client, now: now), own != index else { return true }
        return leases.state(own, now: now) == .free
    }

    /// Handles DECLINE (RFC 2131 §4.3.3). Only the current or last holder of an address may decline it; otherwise one
    /// client could decline every address of the range.
    mutating func decline(_ request: DHCPRequest, now: UInt64) -> Int {
        guard let index = leases.index(of: request.requestedAddress), leases.state(index, now: now) != .quarantined,
            leases.isHolder(request.client, of: index)
        else { return drop(.dhcpNotTheirs) }
        leases.quarantine(index, until: now &+ Self.quarantineNanoseconds, now: now)
        counts.declines &+= 1
        return 0
    }

    /// Handles RELEASE (RFC 2131 §4.3.4).
    mutating func release(_ request: DHCPRequest, now: UInt64) -> Int {
        guard let index = leases.index(of: request.clientAddress), leases.isHolder(request.client, of: index),
            leases.state(index, now: now) == .bound || leases.state(index, now: now) == .offered
        else { return drop(.dhcpNotTheirs) }
        leases.release(index, now: now)
        counts.releases &+= 1
        return 0
    }

    /// Answers INFORM (RFC 2131 §4.3.5): returns parameters to a client that has an address already. No lease is made
    /// or checked.
    mutating func inform(_ request: DHCPRequest, into reply: UnsafeMutableRawBufferPointer) -> Int {
        guard !request.clientAddress.isUnspecified else { return drop(.dhcpMalformed) }
        counts.informs &+= 1
        return write(
            .ack, to: request, address: .unspecified, seconds: nil, hostName: DHCPText(), into: reply)
    }

    /// The lease time, seconds. A client may ask for a shorter lease than the default, but not for a longer one. The
    /// minimum of two minutes prevents constant renewal.
    private func duration(for request: DHCPRequest) -> UInt32 {
        guard let wanted = request.leaseSeconds else { return leaseSeconds }
        return min(max(wanted, 120), leaseSeconds)
    }
}
