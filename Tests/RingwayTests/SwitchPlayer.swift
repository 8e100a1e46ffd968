import CRingway
import Glibc
import Testing

@testable import Ringway

/// A guest that the test plays: frames are messages on a pair of sockets, virtio-net headers first.
final class Player {
    let guest: Guest
    private let end: Int32

    init(_ network: VirtualNetwork, _ number: UInt64) throws {
        var ends: [Int32] = [-1, -1]
        try #require(ringway_message_pair(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        end = ends[1]
        guest = try network.attach(
            Link(queues: [ends[0]], takesUDPSuperFrames: true), mac: MACAddress(rawValue: 0x5254_0000_0000 | number))
    }

    deinit { close(end) }

    func send(_ frame: [UInt8]) { #expect(write(end, frame, frame.count) == frame.count) }

    /// Sends as soon as the link takes it.
    func send(retrying frame: [UInt8]) {
        for _ in 0..<100_000 {
            if write(end, frame, frame.count) == frame.count { return }
            usleep(100)
        }
    }

    /// The next frame that is none of the gateway's own, within half a minute.
    func receive() -> [UInt8]? { next(within: 30_000) }

    /// The next DHCP message of the gateway: its type, and the address that it gives.
    func receiveAddress() -> (type: DHCPMessageType, address: IPv4Address)? {
        while let frame = next(within: 30_000, gateways: true) {
            guard frame.count > 54 + 240, frame[Frames.headers + 9] == IPProtocol.udp else { continue }
            let found = frame.withUnsafeBytes { bytes -> (DHCPMessageType, IPv4Address)? in
                guard let message = DHCPMessage(UnsafeRawBufferPointer(rebasing: bytes[(Frames.headers + 28)...]))
                else {
                    return nil
                }
                return message.messageType.map { ($0, message.yiaddr) }
            }
            if let found { return found }
        }
        return nil
    }

    /// The next UDP datagram of the gateway's that is no DHCP message.
    func receiveDatagram(within milliseconds: Int32) -> [UInt8]? {
        while let frame = next(within: milliseconds, gateways: true) {
            guard frame.count > Frames.headers + 28, frame[Frames.headers - 2] == 0x08,
                frame[Frames.headers + 9] == IPProtocol.udp
            else { continue }
            return frame
        }
        return nil
    }

    private func next(within milliseconds: Int32, gateways: Bool = false) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 70_000)
        var item = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
        while poll(&item, 1, milliseconds) > 0 {
            let count = read(end, &bytes, bytes.count)
            guard count > 0 else { return nil }
            if gateways || bytes[18..<24] != [0x52, 0x55, 0, 0, 0, 1] { return Array(bytes.prefix(count)) }
        }
        return nil
    }

    var isQuiet: Bool { next(within: 100) == nil }
}

/// Frames of one guest for another.
enum Frames {
    static let headers = VirtioNetHeader.length + EthernetHeader.length

    static func make(
        to mac: MACAddress, from source: MACAddress, etherType: UInt16, _ body: Int,
        _ write: (UnsafeMutableRawPointer) -> Void
    ) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: headers + body)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            // Verified already, says the virtio-net header, so no checksum is looked at.
            VirtioNetFields(flags: 2).write(to: base)
            EthernetFields(destination: mac, source: source, etherType: etherType)
                .write(to: base + VirtioNetHeader.length)
            write(base + headers)
        }
        return frame
    }

    static func datagram(
        to mac: MACAddress, _ destination: IPv4Address, from source: MACAddress, _ address: IPv4Address,
        port: UInt16 = 9, payload: Int = 100
    ) -> [UInt8] {
        make(to: mac, from: source, etherType: EtherType.ipv4, 28 + payload) { base in
            IPv4Fields(
                source: address, destination: destination, protocolNumber: IPProtocol.udp, payloadLength: 8 + payload
            ).write(to: base)
            UDPFields(sourcePort: 9, destinationPort: port, payloadLength: payload).write(to: base + 20)
        }
    }

    /// A client's DHCP message, about an address or none.
    static func addressMessage(_ type: DHCPMessageType, from mac: MACAddress, _ address: IPv4Address? = nil) -> [UInt8]
    {
        make(to: .broadcast, from: mac, etherType: EtherType.ipv4, 28 + 300) { base in
            IPv4Fields(
                source: .unspecified, destination: .broadcast, protocolNumber: IPProtocol.udp, payloadLength: 308
            ).write(to: base)
            UDPFields(sourcePort: 68, destinationPort: 67, payloadLength: 300).write(to: base + 20)
            DHCPFields(op: DHCPMessage.bootRequest, xid: 7, chaddr: mac).write(to: base + 28)
            var options = DHCPOptionWriter(base + 28, capacity: 300)
            options.append(DHCPOption.messageType, type.rawValue)
            if let address { options.append(DHCPOption.requestedAddress, address) }
            _ = options.finish()
        }
    }

    static func addressRequest(
        for target: IPv4Address, from source: MACAddress, sender: MACAddress, _ address: IPv4Address
    ) -> [UInt8] {
        make(to: .broadcast, from: source, etherType: EtherType.arp, 28) { base in
            ARPFields(
                operation: 1, senderMAC: sender, senderIP: address, targetMAC: MACAddress(rawValue: 0), targetIP: target
            ).write(to: base)
        }
    }

    /// An ICMP message for IPv4.
    static func icmp(
        _ type: UInt8, to mac: MACAddress, _ destination: IPv4Address, from source: MACAddress, _ address: IPv4Address
    ) -> [UInt8] {
        make(to: mac, from: source, etherType: EtherType.ipv4, 20 + 36) { base in
            IPv4Fields(
                source: address, destination: destination, protocolNumber: IPProtocol.icmp, payloadLength: 36
            ).write(to: base)
            base.storeBytes(of: type, toByteOffset: 20, as: UInt8.self)
        }
    }

    /// An ICMPv6 message of so many bytes, without a checksum.
    static func message(
        _ type: UInt8, to mac: MACAddress, _ destination: IPv6Address, from source: MACAddress, _ address: IPv6Address,
        target: IPv6Address
    ) -> [UInt8] {
        make(to: mac, from: source, etherType: EtherType.ipv6, 40 + 24) { base in
            IPv6Fields(
                source: address, destination: destination, nextHeader: IPProtocol.icmpv6, payloadLength: 24,
                hopLimit: 255
            ).write(to: base)
            base.storeBytes(of: type, toByteOffset: 40, as: UInt8.self)
            target.store(to: base + 48)
        }
    }
}

extension IPv4Address {
    /// In network order.
    var bytesForTest: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: rawValue >> UInt32($0)) } }
}
