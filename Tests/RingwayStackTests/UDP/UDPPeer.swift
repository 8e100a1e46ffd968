import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// One UDP port of the guest.
final class UDPPeer {
    /// A datagram that the stack sent to the guest.
    struct Received: Equatable {
        var source: String
        var port: UInt16
        var payload: [UInt8]
    }

    let net: StackUnderTest
    let guest: TransportAddress

    init(_ net: StackUnderTest, port: UInt16 = 5_000) {
        self.net = net
        guest = TransportAddress(address: IPAddress(net.plan.firstGuestIPv4), port: port)
    }

    func send(
        _ payload: [UInt8], to target: String, hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, dontFragment: Bool = true
    ) throws {
        let remote = try #require(TransportAddress(target))
        let transport = VirtioNetHeader.length + EthernetHeader.length + 20
        var frame = [UInt8](repeating: 0, count: transport + UDPHeader.length) + payload
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let ethernet = base + VirtioNetHeader.length
            EthernetFields(
                destination: net.plan.gatewayMAC, source: StackUnderTest.guestMAC, etherType: EtherType.ipv4
            ).write(to: ethernet)
            IPv4Fields(
                source: guest.address.ipv4, destination: remote.address.ipv4, protocolNumber: IPProtocol.udp,
                payloadLength: UDPHeader.length + payload.count, timeToLive: hopLimit,
                dontFragment: dontFragment, typeOfService: trafficClass
            ).write(to: ethernet + EthernetHeader.length)
            UDPFields(sourcePort: guest.port, destinationPort: remote.port, payloadLength: payload.count)
                .write(to: base + transport)
            let checksum = Checksum.transport(
                UnsafeRawBufferPointer(rebasing: bytes[transport...]), source: guest.address,
                destination: remote.address, protocolNumber: IPProtocol.udp)
            bytes.storeBytes(of: checksum, toByteOffset: transport + UDPHeader.checksumOffset, as: UInt16.self)
        }
        net.receive(frame)
    }

    /// The stack must ask for a datagram to be sent; answers the mapping's name.
    @discardableResult
    func expectSent(
        _ payload: [UInt8], to target: String, _ kind: Effect.Kind = .sendDatagram,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> Handle? {
        guard let effect = net.expectEffect(kind, sourceLocation: sourceLocation) else { return nil }
        #expect(net.bytes(of: effect) == payload, sourceLocation: sourceLocation)
        #expect("\(effect.address)" == target, sourceLocation: sourceLocation)
        net.pool.pointee.release(effect.lease)
        return effect.handle
    }

    /// A datagram comes from the host for a mapping.
    func hostSends(_ payload: [UInt8], from sender: String, to mapping: Handle?, segmentSize: Int = 0) throws {
        let source = try #require(TransportAddress(sender))
        let handle = try #require(mapping)
        let lease = net.buffer(payload)
        net.turn {
            $0.datagramReceived(
                handle, from: source, lease, offset: Stack.headroom, length: payload.count, segmentSize: segmentSize)
        }
    }

    /// The oldest frame, if it is a datagram for this port.
    func received() -> Received? {
        guard !net.frames.isEmpty else { return nil }
        let frame = net.frames.removeFirst()
        var summary = FrameSummary()
        return frame.withUnsafeBytes { bytes -> Received? in
            guard FrameSummary.parse(bytes, into: &summary) == .none, summary.kind == .udp,
                summary.destinationPort == guest.port
            else { return nil }
            let start = VirtioNetHeader.length + Int(summary.payloadOffset)
            return Received(
                source: "\(summary.source)", port: summary.sourcePort,
                payload: Array(bytes[start..<start + Int(summary.payloadLength)]))
        }
    }

    /// The guest says by ICMP that a datagram from `sender` to this port went no further.
    ///
    /// - Parameter parameter: the MTU where the message is about size.
    func returnDatagram(from sender: String, type: UInt8 = 3, code: UInt8, parameter: UInt32 = 0) throws {
        let remote = try #require(TransportAddress(sender))
        var message = [UInt8](repeating: 0, count: 8 + 20 + 8)
        message.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            ICMPFields(type: type, code: code, parameter: parameter).write(to: base)
            IPv4Fields(
                source: remote.address.ipv4, destination: guest.address.ipv4, protocolNumber: IPProtocol.udp,
                payloadLength: 8
            ).write(to: base + 8)
            UDPFields(sourcePort: remote.port, destinationPort: guest.port, payloadLength: 0).write(to: base + 28)
            let checksum = Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(bytes)))
            base.storeBytes(of: checksum, toByteOffset: 2, as: UInt16.self)
        }
        let frame = GuestFrame.ipv4(
            from: guest.address.ipv4, to: remote.address.ipv4, protocolNumber: IPProtocol.icmp, message)
        net.receive([UInt8](repeating: 0, count: VirtioNetHeader.length) + frame.bytes)
    }

    func advance(seconds: UInt64) { net.advance(by: seconds * StackUnderTest.second) }
}
