import RingwayWire
import Testing

@testable import RingwayStack

/// The network that the services are tested on, and who is on it.
enum ServiceNetwork {
    static let guestMAC = MACAddress(rawValue: 0x0200_0000_0002)
    static let guestIPv4 = IPv4Address(192, 168, 127, 2)
    static let guestIPv6 = IPv6Address(high: 0xFD12_3456_789A_0000, low: 2)
    static let guestLinkLocal = IPv6Address.linkLocal(mac: guestMAC)
    static let outside = IPv4Address(198, 51, 100, 7)
    static let outsideIPv6 = IPv6Address(high: 0x2001_0DB8 << 32, low: 7)

    static func plan(_ network: String = "192.168.127.0/24", mtu: Int = 1_500) throws -> NetworkPlan {
        let block = try #require(CIDRBlock(network))
        return try #require(
            NetworkPlan(ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD12_3456_789A_0000, low: 0), mtu: mtu))
    }
}

/// A frame as a guest sends it, built from header fields, without virtio-net header.
struct GuestFrame {
    var bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    init(
        _ etherType: UInt16, _ payload: [UInt8], to destination: MACAddress = NetworkPlan.defaultGatewayMAC,
        from source: MACAddress = ServiceNetwork.guestMAC
    ) {
        bytes = Self.written(EthernetHeader.length) {
            EthernetFields(destination: destination, source: source, etherType: etherType).write(to: $0)
        }
        bytes += payload
    }

    static func written(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            write(base)
        }
        return bytes
    }

    static func arp(
        _ operation: UInt16 = ARPPacket.request, sender: IPv4Address, target: IPv4Address,
        from mac: MACAddress = ServiceNetwork.guestMAC
    ) -> Self {
        let packet = written(ARPPacket.length) {
            ARPFields(
                operation: operation, senderMAC: mac, senderIP: sender, targetMAC: MACAddress(rawValue: 0),
                targetIP: target
            ).write(to: $0)
        }
        return Self(EtherType.arp, packet, to: .broadcast, from: mac)
    }

    static func ipv4(
        from source: IPv4Address = ServiceNetwork.guestIPv4, to destination: IPv4Address, protocolNumber: UInt8,
        _ payload: [UInt8], to mac: MACAddress = NetworkPlan.defaultGatewayMAC
    ) -> Self {
        let header = written(20) {
            IPv4Fields(
                source: source, destination: destination, protocolNumber: protocolNumber,
                payloadLength: payload.count
            ).write(to: $0)
        }
        return Self(EtherType.ipv4, header + payload, to: mac)
    }

    static func ipv6(
        from source: IPv6Address = ServiceNetwork.guestIPv6, to destination: IPv6Address, nextHeader: UInt8,
        _ payload: [UInt8], hopLimit: UInt8 = 64, to mac: MACAddress = NetworkPlan.defaultGatewayMAC
    ) -> Self {
        let header = written(40) {
            IPv6Fields(
                source: source, destination: destination, nextHeader: nextHeader, payloadLength: payload.count,
                hopLimit: hopLimit
            ).write(to: $0)
        }
        return Self(EtherType.ipv6, header + payload, to: mac)
    }

    /// A UDP datagram with its checksum.
    static func datagram(
        from source: TransportAddress, to destination: TransportAddress, _ payload: [UInt8]
    ) -> [UInt8] {
        var message = written(8) {
            UDPFields(
                sourcePort: source.port, destinationPort: destination.port, payloadLength: payload.count
            ).write(to: $0)
        }
        message += payload
        return sealed(message, at: 6, source: source.address, destination: destination.address, IPProtocol.udp)
    }

    static func udp(from source: TransportAddress, to destination: TransportAddress, _ payload: [UInt8]) -> Self {
        let message = datagram(from: source, to: destination, payload)
        return source.address.isIPv4
            ? ipv4(
                from: source.address.ipv4, to: destination.address.ipv4, protocolNumber: IPProtocol.udp, message)
            : ipv6(from: source.address.ipv6, to: destination.address.ipv6, nextHeader: IPProtocol.udp, message)
    }

    static func icmpv4(
        type: UInt8, code: UInt8 = 0, from source: IPv4Address = ServiceNetwork.guestIPv4,
        to destination: IPv4Address, identifier: UInt16 = 7, sequence: UInt16 = 1, _ data: [UInt8] = []
    ) -> Self {
        var message = written(8) {
            ICMPFields(type: type, code: code, identifier: identifier, sequence: sequence).write(to: $0)
        }
        message += data
        let checksum = message.withUnsafeBytes { Checksum.finish(Checksum.partial($0)) }
        message.withUnsafeMutableBytes { $0.storeBytes(of: checksum, toByteOffset: 2, as: UInt16.self) }
        return ipv4(from: source, to: destination, protocolNumber: IPProtocol.icmp, message)
    }

    static func icmpv6(
        _ message: [UInt8], from source: IPv6Address = ServiceNetwork.guestIPv6, to destination: IPv6Address,
        hopLimit: UInt8 = 255, to mac: MACAddress = NetworkPlan.defaultGatewayMAC
    ) -> Self {
        let complete = sealed(
            message, at: 2, source: IPAddress(source), destination: IPAddress(destination), IPProtocol.icmpv6)
        return ipv6(
            from: source, to: destination, nextHeader: IPProtocol.icmpv6, complete, hopLimit: hopLimit, to: mac)
    }

    private static func sealed(
        _ message: [UInt8], at offset: Int, source: IPAddress, destination: IPAddress, _ protocolNumber: UInt8
    ) -> [UInt8] {
        var message = message
        let checksum = message.withUnsafeBytes {
            Checksum.transport($0, source: source, destination: destination, protocolNumber: protocolNumber)
        }
        message.withUnsafeMutableBytes { $0.storeBytes(of: checksum, toByteOffset: offset, as: UInt16.self) }
        return message
    }

    /// What the parser says of the frame; fails the test where it refuses it.
    func summary(sourceLocation: SourceLocation = #_sourceLocation) throws -> FrameSummary {
        var summary = FrameSummary()
        let frame = [UInt8](repeating: 0, count: VirtioNetHeader.length) + bytes
        let reason = frame.withUnsafeBytes { FrameSummary.parse($0, into: &summary) }
        try #require(reason == .none, sourceLocation: sourceLocation)
        return summary
    }
}

/// Gives `body` room for a frame and returns what it wrote; `nil` when that is nothing.
func written(capacity: Int = 2_048, _ body: (UnsafeMutableRawBufferPointer) -> Int) -> GuestFrame? {
    var room = [UInt8](repeating: 0xA5, count: capacity)
    let length = room.withUnsafeMutableBytes { body($0) }
    precondition(length <= capacity, "more was written than there was room for")
    return length > 0 ? GuestFrame(bytes: Array(room[..<length])) : nil
}
