import RingwayWire

/// A frame as a guest sends it, virtio-net header first, in memory of its own.
final class GuestFrame {
    static let guestMAC = MACAddress(rawValue: 0x5255_0000_0002)
    static let gatewayMAC = MACAddress(rawValue: 0x5255_0000_0001)
    static let guest = IPv4Address(192, 168, 127, 2)
    static let remote = IPv4Address(203, 0, 113, 9)
    /// Where the pieces of a frame begin.
    static let network = VirtioNetHeader.length + 14
    static let transport = network + 20

    let bytes: UnsafeMutableRawPointer
    let count: Int

    init(count: Int) {
        self.count = count
        bytes = .allocate(byteCount: count, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0x5A, count: count)
    }

    deinit { bytes.deallocate() }

    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes, count: count) }

    /// A TCP segment, as a super-frame when the payload exceeds one segment. The checksum is left to us, or made.
    static func segment(
        payload: Int, sequence: UInt32, acknowledgement: UInt32, port: UInt16 = 40_000, flags: TCPFlags = [.ack],
        options: [UInt8] = [], isChecksummed: Bool = false
    ) -> GuestFrame {
        let header = TCPFields(
            sourcePort: port, destinationPort: 443, sequence: SequenceNumber(sequence),
            acknowledgement: SequenceNumber(acknowledgement), flags: flags, window: 65_535,
            optionsLength: options.count)
        let length = header.headerLength + payload
        let frame = GuestFrame(count: transport + length)
        let isSplit = payload > 1_460
        VirtioNetFields(
            flags: isChecksummed ? 0 : 1, gsoType: isSplit ? 1 : 0,
            headerLength: UInt16(transport - VirtioNetHeader.length + header.headerLength),
            gsoSize: isSplit ? 1_460 : 0, checksumStart: 34, checksumOffset: 16
        ).write(to: frame.bytes)
        frame.writeNetwork(protocolNumber: IPProtocol.tcp, payload: length, destination: remote)
        header.write(to: frame.bytes + transport)
        frame.bytes.storeBytes(of: 0, toByteOffset: transport + 18, as: UInt16.self)
        for (index, byte) in options.enumerated() {
            frame.bytes.storeBytes(of: byte, toByteOffset: transport + 20 + index, as: UInt8.self)
        }
        let sum = Checksum.pseudoHeader(
            source: IPAddress(guest), destination: IPAddress(remote), protocolNumber: IPProtocol.tcp, length: length)
        let segment = UnsafeRawBufferPointer(start: frame.bytes + transport, count: length)
        let checksum = isChecksummed ? Checksum.finish(Checksum.partial(segment, initial: sum)) : Checksum.fold(sum)
        frame.bytes.storeBytes(of: checksum, toByteOffset: transport + 16, as: UInt16.self)
        return frame
    }

    /// The headers alone of a segment, for the caller to deallocate.
    static func headers(payload: Int, options: [UInt8] = []) -> UnsafeMutableRawPointer {
        let frame = segment(payload: payload, sequence: 0, acknowledgement: 0, options: options)
        let length = transport + 20 + options.count
        let copy = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
        copy.copyMemory(from: frame.bytes, byteCount: length)
        return copy
    }

    /// The gateway's address asked for.
    static func addressRequest() -> GuestFrame {
        let frame = GuestFrame(count: network + 28)
        VirtioNetFields().write(to: frame.bytes)
        EthernetFields(destination: .broadcast, source: guestMAC, etherType: EtherType.arp)
            .write(to: frame.bytes + VirtioNetHeader.length)
        ARPFields(
            operation: 1, senderMAC: guestMAC, senderIP: guest, targetMAC: MACAddress(rawValue: 0),
            targetIP: IPv4Address(192, 168, 127, 1)
        ).write(to: frame.bytes + network)
        return frame
    }

    /// DHCPDISCOVER with what a common client asks for.
    static func discover() -> GuestFrame {
        let frame = GuestFrame(count: transport + 8 + 300)
        let message = frame.bytes + transport + 8
        VirtioNetFields(flags: 1, checksumStart: 34, checksumOffset: 6).write(to: frame.bytes)
        frame.writeNetwork(
            protocolNumber: IPProtocol.udp, payload: 308, source: IPv4Address(rawValue: 0),
            destination: IPv4Address(rawValue: .max))
        UDPFields(sourcePort: 68, destinationPort: 67, payloadLength: 300).write(to: frame.bytes + transport)
        DHCPFields(op: 1, xid: 7, chaddr: guestMAC).write(to: message)
        var options = DHCPOptionWriter(message, capacity: 300)
        options.append(DHCPOption.messageType, UInt8(1))
        [UInt8]([1, 3, 6, 15, 26, 42, 51, 119]).withUnsafeBytes {
            options.append(DHCPOption.parameterRequestList, $0)
        }
        _ = options.finish()
        return frame
    }

    private func writeNetwork(
        protocolNumber: UInt8, payload: Int, source: IPv4Address = guest, destination: IPv4Address
    ) {
        EthernetFields(destination: Self.gatewayMAC, source: Self.guestMAC, etherType: EtherType.ipv4)
            .write(to: bytes + VirtioNetHeader.length)
        IPv4Fields(source: source, destination: destination, protocolNumber: protocolNumber, payloadLength: payload)
            .write(to: bytes + Self.network)
    }
}
