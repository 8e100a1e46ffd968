import RingwayWire

/// Frames as a guest sends them, checksums left to the bridge as a virtio-net driver may leave them.
enum Frames {
    static let network = VirtioNetHeader.length + 14
    static let transport = network + 20

    static func segment(
        from port: UInt16, to destination: TransportAddress, sequence: UInt32, acknowledgement: UInt32 = 0,
        _ flags: TCPFlags, payload: [UInt8] = []
    ) -> [UInt8] {
        var frame = packet(
            protocolNumber: IPProtocol.tcp, checksumOffset: 16, destination: destination.address.ipv4,
            length: 20 + payload.count)
        let header = TCPFields(
            sourcePort: port, destinationPort: destination.port, sequence: SequenceNumber(sequence),
            acknowledgement: SequenceNumber(acknowledgement), flags: flags, window: 65_535)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            header.write(to: base + transport)
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
        }
        return frame.prefix(transport + 8) + payload
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

    /// Everything before the transport's header, and twenty octets of room for that.
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
