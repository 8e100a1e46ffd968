import RingwayWire

/// Frames as tests want them: valid unless a test spoils them.
struct FrameBuilder {
    var virtio = VirtioNetFields(flags: 0)
    var ethernet = EthernetFields(
        destination: MACAddress(rawValue: 0x5255_0000_0001), source: MACAddress(rawValue: 0x0200_0000_0002),
        etherType: EtherType.ipv4)
    var source4 = IPv4Address(192, 168, 127, 2)
    var destination4 = IPv4Address(93, 184, 216, 34)
    var source6 = IPv6Address(high: 0xFD00 << 48, low: 2)
    var destination6 = IPv6Address(high: 0x2001_0DB8 << 32, low: 9)
    var isIPv6 = false
    /// Behind the IPv6 header; the first byte of each must name the next.
    var extensionHeaders: [UInt8] = []
    var firstHeader: UInt8?
    /// Behind the IP packet, as short ethernet frames have it.
    var padding = 0

    static func ipv4() -> FrameBuilder { FrameBuilder() }

    static func ipv6() -> FrameBuilder {
        var builder = FrameBuilder()
        builder.isIPv6 = true
        builder.ethernet.etherType = EtherType.ipv6
        return builder
    }

    var source: IPAddress { isIPv6 ? IPAddress(source6) : IPAddress(source4) }
    var destination: IPAddress { isIPv6 ? IPAddress(destination6) : IPAddress(destination4) }

    func with(_ change: (inout FrameBuilder) -> Void) -> FrameBuilder {
        var copy = self
        change(&copy)
        return copy
    }

    /// The whole frame around a transport message.
    func frame(_ protocolNumber: UInt8, _ message: [UInt8]) -> [UInt8] {
        var frame = written(12, virtio.write(to:)) + written(14, ethernet.write(to:))
        if isIPv6 {
            let header = IPv6Fields(
                source: source6, destination: destination6, nextHeader: firstHeader ?? protocolNumber,
                payloadLength: extensionHeaders.count + message.count)
            frame += written(40, header.write(to:)) + extensionHeaders
        } else {
            let header = IPv4Fields(
                source: source4, destination: destination4, protocolNumber: protocolNumber, payloadLength: message.count
            )
            frame += written(20, header.write(to:))
        }
        return frame + message + [UInt8](repeating: 0, count: padding)
    }

    func tcp(
        payload: [UInt8] = [], options: TCPOptions = TCPOptions(), flags: TCPFlags = .ack, window: UInt16 = 512
    ) -> [UInt8] {
        let fields = TCPFields(
            sourcePort: 40000, destinationPort: 443, sequence: SequenceNumber(1), acknowledgement: SequenceNumber(2),
            flags: flags, window: window, optionsLength: options.encodedLength)
        var segment = written(fields.headerLength) {
            fields.write(to: $0)
            options.write(to: $0 + 20)
        }
        segment += payload
        complete(&segment, IPProtocol.tcp, at: TCPHeader.checksumOffset)
        return frame(IPProtocol.tcp, segment)
    }

    func udp(payload: [UInt8] = []) -> [UInt8] {
        let fields = UDPFields(sourcePort: 40000, destinationPort: 53, payloadLength: payload.count)
        var datagram = written(8, fields.write(to:)) + payload
        complete(&datagram, IPProtocol.udp, at: UDPHeader.checksumOffset)
        return frame(IPProtocol.udp, datagram)
    }

    func echo(payload: [UInt8] = []) -> [UInt8] {
        let type = isIPv6 ? ICMPv6Header.echoRequest : ICMPv4Header.echoRequest
        var message = written(8, ICMPFields(type: type, identifier: 77, sequence: 1).write(to:)) + payload
        if isIPv6 {
            complete(&message, IPProtocol.icmpv6, at: 2)
        } else {
            let checksum = message.withUnsafeBytes { Checksum.finish(Checksum.partial($0)) }
            message.withUnsafeMutableBytes { $0.storeBytes(of: checksum, toByteOffset: 2, as: UInt16.self) }
        }
        return frame(isIPv6 ? IPProtocol.icmpv6 : IPProtocol.icmp, message)
    }

    func arp(operation: UInt16 = ARPPacket.request) -> [UInt8] {
        let packet = ARPFields(
            operation: operation, senderMAC: ethernet.source, senderIP: source4, targetMAC: MACAddress(rawValue: 0),
            targetIP: destination4)
        var header = ethernet
        header.etherType = EtherType.arp
        return written(12, virtio.write(to:)) + written(14, header.write(to:)) + written(28, packet.write(to:))
            + [UInt8](repeating: 0, count: padding)
    }

    func complete(_ message: inout [UInt8], _ protocolNumber: UInt8, at offset: Int) {
        let checksum = message.withUnsafeBytes {
            Checksum.transport($0, source: source, destination: destination, protocolNumber: protocolNumber)
        }
        message.withUnsafeMutableBytes { $0.storeBytes(of: checksum, toByteOffset: offset, as: UInt16.self) }
    }
}

extension [UInt8] {
    /// A copy with bytes replaced from `offset` on.
    func replacing(at offset: Int, with bytes: UInt8...) -> [UInt8] {
        var copy = self
        copy.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return copy
    }

    /// A copy of a frame with IPv4 header bytes replaced and the header's checksum put right again.
    func replacingInIPv4(at offset: Int, with bytes: UInt8...) -> [UInt8] {
        var copy = self
        copy.replaceSubrange(26 + offset..<26 + offset + bytes.count, with: bytes)
        copy.replaceSubrange(36..<38, with: [0, 0])
        let length = Swift.min(Int(copy[26] & 0x0F) * 4, copy.count - 26)
        copy.withUnsafeMutableBytes { frame in
            let header = UnsafeRawBufferPointer(rebasing: frame[26..<26 + length])
            frame.storeBytes(of: Checksum.finish(Checksum.partial(header)), toByteOffset: 36, as: UInt16.self)
        }
        return copy
    }
}
