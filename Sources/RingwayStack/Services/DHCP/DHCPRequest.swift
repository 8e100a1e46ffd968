internal import RingwayModel
internal import RingwayWire

/// A parsed DHCP message of a client.
struct DHCPRequest {
    let type: DHCPMessageType
    let client: DHCPClient
    let transaction: UInt32
    let flags: UInt16
    /// `ciaddr`: the address that the client has and can be reached at.
    let clientAddress: IPv4Address
    /// `giaddr`: the address of a relay agent, unspecified without one.
    let relay: IPv4Address
    /// The address that the client asks for (option 50), unspecified when absent.
    let requestedAddress: IPv4Address
    /// The server that the client has selected (option 54).
    let server: IPv4Address?
    /// The lease time that the client asks for (option 51).
    let leaseSeconds: UInt32?
    /// The client's host name (option 12), `nil` if absent or invalid.
    let hostName: DHCPText?
    /// The client identifier (option 61) as received, which replies repeat (RFC 6842).
    let identifier: UnsafeRawBufferPointer?
    /// The longest DHCP message that may be sent to the client, in bytes, without IP and UDP headers.
    let messageLimit: Int

    /// Reads the payload of a datagram; the result is valid as long as the payload.
    init?(_ payload: UnsafeRawBufferPointer) {
        guard let message = DHCPMessage(payload), message.op == DHCPMessage.bootRequest,
            let type = message.messageType, message.chaddr.rawValue != 0, !message.chaddr.isMulticast
        else { return nil }
        self.type = type
        identifier = message.option(DHCPOption.clientIdentifier)
        client = DHCPClient(mac: message.chaddr, identifier: identifier)
        transaction = message.xid
        flags = message.flags
        clientAddress = message.ciaddr
        relay = message.giaddr
        requestedAddress = message.requestedAddress ?? .unspecified
        server = message.serverIdentifier
        leaseSeconds = message.option(DHCPOption.leaseTime).flatMap { Self.integer($0, byteCount: 4) }
        hostName = message.option(DHCPOption.hostName).flatMap { DHCPText(hostName: $0) }
        // Option 57 includes the IP header; its minimum is 576 (RFC 2132 §9.10). The upper bound is the smallest MTU
        // that a network may have, so the packet fits every link.
        let packet = message.option(DHCPOption.maximumMessageSize).flatMap { Self.integer($0, byteCount: 2) } ?? 576
        messageLimit = min(max(Int(packet), 576), NetworkPlan.minimumMTU) - 28
    }

    private static func integer(_ value: UnsafeRawBufferPointer, byteCount: Int) -> UInt32? {
        guard value.count == byteCount else { return nil }
        return value.reduce(0) { $0 << 8 | UInt32($1) }
    }
}
