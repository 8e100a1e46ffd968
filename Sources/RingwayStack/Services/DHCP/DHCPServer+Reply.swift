internal import RingwayWire

// How an answer looks on the wire, and where it goes.

extension DHCPServer {
    /// Writes an answer as an ethernet frame.
    ///
    /// - Parameters:
    ///   - type: `.offer`, `.ack` or `.nak`.
    ///   - address: `yiaddr`; unspecified in a refusal and in the answer to INFORM.
    ///   - seconds: how long the lease lasts, where there is one.
    ///   - hostName: option 12, left out when empty.
    mutating func write(
        _ type: DHCPMessageType, to request: DHCPRequest, address: IPv4Address, seconds: UInt32?, hostName: DHCPText,
        into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let headers = EthernetHeader.length + IPv4Header.minimumLength + UDPHeader.length
        let capacity = min(request.messageLimit, frame.count - headers)
        guard let base = frame.baseAddress, capacity >= DHCPOptionWriter.minimumLength else {
            return drop(.replyDoesNotFit)
        }
        // The options decide the length, so the message is written first and the headers in front of it after.
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
            // RFC 2131 §4.4.5: half, and seven eighths.
            writer.append(DHCPOption.renewalTime, seconds / 2)
            writer.append(DHCPOption.rebindingTime, seconds / 8 * 7)
        }
        if !hostName.isEmpty {
            hostName.withBytes { writer.append(DHCPOption.hostName, $0) }
        }
        options.append(to: &writer)
    }

    /// RFC 2131 §4.1. Refusals are broadcast, because a client that is to lose its address must not be relied on to
    /// receive on it; then the client's own address, the client's wish, the address it gets.
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
