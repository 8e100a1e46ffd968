internal import RingwayModel
internal import RingwayWire

// The format and destination of replies.

extension DHCPServer {
    /// Writes a reply as an ethernet frame.
    ///
    /// - Parameters:
    ///   - type: `.offer`, `.ack` or `.nak`.
    ///   - address: `yiaddr`; unspecified in a NAK and in the reply to INFORM.
    ///   - seconds: the lease time, if there is a lease.
    ///   - hostName: option 12, omitted when empty.
    mutating func write(
        _ type: DHCPMessageType, to request: DHCPRequest, address: IPv4Address, seconds: UInt32?, hostName: DHCPText,
        into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let headers = EthernetHeader.length + IPv4Header.minimumLength + UDPHeader.length
        let capacity = min(request.messageLimit, frame.count - headers)
        guard let base = frame.baseAddress, capacity >= DHCPOptionWriter.minimumLength else {
            return drop(.replyDoesNotFit)
        }
        // The options determine the length, so the message is written first, then the headers before it.
        let message = base + headers
        DHCPFields(
            op: DHCPMessage.bootReply, xid: request.transaction, flags: request.flags,
            ciaddr: type == .ack ? request.clientAddress : .unspecified, yiaddr: address, chaddr: request.client.mac
        ).write(to: message)
        var writer = DHCPOptionWriter(message, capacity: capacity)
        writer.append(DHCPOption.messageType, type.rawValue)
        writer.append(DHCPOption.serverIdentifier, gatewayIPv4)
        if let identifier = request.identifier, !identifier.isEmpty {
            writer.append(DHCPOption.clientIdentifier, identifier)
        }
        if type != .nak { append(to: &writer, seconds: seconds, hostName: hostName) }
        let length = writer.finish()
        return finish(frame, destination(of: type, request, address), request.client.mac, messageLength: length)
    }

    private func append(to writer: inout DHCPOptionWriter, seconds: UInt32?, hostName: DHCPText) {
        if let seconds {
            writer.append(DHCPOption.leaseTime, seconds)
            // RFC 2131 §4.4.5: T1 is half, T2 seven eighths of the lease time.
            writer.append(DHCPOption.renewalTime, seconds / 2)
            writer.append(DHCPOption.rebindingTime, seconds / 8 * 7)
        }
        if !hostName.isEmpty {
            hostName.withBytes { writer.append(DHCPOption.hostName, $0) }
        }
        options.append(to: &writer)
    }

    /// The destination of a reply (RFC 2131 §4.1). A NAK is broadcast, because the client must not use its address
    /// any more. Any other reply goes to `ciaddr` if that is set; otherwise to broadcast if the client asks for it or
    /// there is no `yiaddr`; otherwise to `yiaddr`.
    private func destination(
        of type: DHCPMessageType, _ request: DHCPRequest, _ address: IPv4Address
    ) -> IPv4Address {
        if type == .nak { return .broadcast }
        if !request.clientAddress.isUnspecified { return request.clientAddress }
        if request.flags & DHCPMessage.broadcastFlag != 0 || address.isUnspecified { return .broadcast }
        return address
    }

    private func finish(
        _ frame: UnsafeMutableRawBufferPointer, _ destination: IPv4Address, _ mac: MACAddress, messageLength: Int
    ) -> Int {
        let packet = PacketHeaders(
            from: IPAddress(gatewayIPv4), to: IPAddress(destination), protocolNumber: IPProtocol.udp,
            payloadLength: UDPHeader.length + messageLength)
        let datagram = packet.start(in: frame, from: gatewayMAC, to: destination.isBroadcast ? .broadcast : mac)
        guard let datagram, let base = datagram.baseAddress else { return 0 }
        UDPFields(
            sourcePort: DHCPMessage.serverPort, destinationPort: DHCPMessage.clientPort, payloadLength: messageLength
        ).write(to: base)
        let checksum = Checksum.transport(
            UnsafeRawBufferPointer(datagram), source: packet.source, destination: packet.destination,
            protocolNumber: IPProtocol.udp)
        datagram.storeBytes(of: checksum, toByteOffset: UDPHeader.checksumOffset, as: UInt16.self)
        return packet.ethernetLength
    }
}
