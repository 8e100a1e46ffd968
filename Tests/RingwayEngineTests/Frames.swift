import RingwayWire

/// Frames as a guest sends them, checksums left to the bridge as a virtio-net driver may leave them: the pseudo-header is
/// summed.
enum Frames {
    static let network = VirtioNetHeader.length + 14
    static let transport = network + 20

    static func segment(
        from port: UInt16, to destination: TransportAddress, sequence: UInt32, acknowledgement: UInt32 = 0,
        _ flags: TCPFlags, options: TCPOptions = TCPOptions(), window: UInt16 = 65_535, payload: [UInt8] = []
    ) -> [UInt8] {
        var frame = packet(
            protocolNumber: IPProtocol.tcp, checksumOffset: 16, destination: destination.address.ipv4,
            length: 20 + options.encodedLength + payload.count)
        frame += [UInt8](repeating: 0, count: options.encodedLength)
        let header = TCPFields(
            sourcePort: port, destinationPort: destination.port, sequence: SequenceNumber(sequence),
            acknowledgement: SequenceNumber(acknowledgement), flags: flags, window: window,
            optionsLength: options.encodedLength)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            header.write(to: base + transport)
            _ = options.write(to: base + transport + 20)
            sumPseudoHeader(base, to: destination, IPProtocol.tcp, at: 16, header.headerLength + payload.count)
        }
        return frame + payload
    }

    static func datagram(from port: UInt16, to destination: TransportAddress, payload: [UInt8]) -> [UInt8] {
        var frame = packet(
            protocolNumber: IPProtocol.udp, checksumOffset: 6, destination: destination.address.ipv4,
            length: 8 + payload.count)
        let header = UDPFields(sourcePort: port, destinationPort: destination.port, payloadLength: payload.count)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            header.write(to: base + transport)
            sumPseudoHeader(base, to: destination, IPProtocol.udp, at: 6, 8 + payload.count)
        }
        return frame.prefix(transport + 8) + payload
    }

    private static func sumPseudoHeader(
        _ frame: UnsafeMutableRawPointer, to destination: TransportAddress, _ protocolNumber: UInt8, at offset: Int,
        _ length: Int
    ) {
        let sum = Checksum.pseudoHeader(
            source: IPAddress(GuestPort.guest), destination: destination.address, protocolNumber: protocolNumber,
            length: length)
        frame.storeBytes(of: Checksum.fold(sum), toByteOffset: transport + offset, as: UInt16.self)
    }

    /// Who has the gateway's address?
    static func addressRequest() -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: network + 28)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            EthernetFields(destination: .broadcast, source: GuestPort.guestMAC, etherType: EtherType.arp)
                .write(to: base + VirtioNetHeader.length)
            ARPFields(
                operation: 1, senderMAC: GuestPort.guestMAC, senderIP: GuestPort.guest,
                targetMAC: MACAddress(rawValue: 0), targetIP: GuestPort.gateway
            ).write(to: base + network)
        }
        return frame
    }

    static func etherType(_ frame: [UInt8]) -> UInt16 { UInt16(frame[24]) << 8 | UInt16(frame[25]) }

    /// Everything before the transport's header, and twenty bytes of room for that.
    private static func packet(
        protocolNumber: UInt8, checksumOffset: UInt16, destination: IPv4Address, length: Int
    ) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: transport + 20)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            VirtioNetFields(flags: 1, checksumStart: 34, checksumOffset: checksumOffset).write(to: base)
            EthernetFields(
                destination: MACAddress(rawValue: 0x5255_0000_0001), source: GuestPort.guestMAC,
                etherType: EtherType.ipv4
            ).write(to: base + VirtioNetHeader.length)
            IPv4Fields(
                source: GuestPort.guest, destination: destination, protocolNumber: protocolNumber,
                payloadLength: length
            ).write(to: base + network)
        }
        return frame
    }
}
