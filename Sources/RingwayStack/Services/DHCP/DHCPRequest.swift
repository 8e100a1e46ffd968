internal import RingwayWire

/// What a client's message says, in the server's terms.
struct DHCPRequest {
    let type: DHCPMessageType
    let client: DHCPClient
    let transaction: UInt32
    let flags: UInt16
    /// `ciaddr`: the address the client has and answers on.
    let clientAddress: IPv4Address
    /// `giaddr`.
    let relay: IPv4Address
    /// Option 50, unspecified when absent.
    let requestedAddress: IPv4Address
    /// Option 54.
    let server: IPv4Address?
    /// Option 51.
    let leaseSeconds: UInt32?
    /// Option 12, when it is a host name.
    let hostName: DHCPText?
    /// Option 61 as it came, to be echoed (RFC 6842).
    let identifier: UnsafeRawBufferPointer?
    /// Bytes of the longest DHCP message the client takes, UDP header not included.
    let messageLimit: Int

    /// Reads the payload of a datagram; the result is valid as long as the payload is.
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
        // Option 57 counts the IP packet, and no client may say less than 576 (RFC 2132 §9.10). The other bound is what a
        // link of any MTU carries in one frame.
        let packet = message.option(DHCPOption.maximumMessageSize).flatMap { Self.integer($0, byteCount: 2) } ?? 576
        messageLimit = min(max(Int(packet), 576), NetworkPlan.minimumMTU) - 28
    }

    private static func integer(_ value: UnsafeRawBufferPointer, byteCount: Int) -> UInt32? {
        guard value.count == byteCount else { return nil }
        return value.reduce(0) { $0 << 8 | UInt32($1) }
    }
}
