import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// The guest's end of one TCP connection, segment by segment, and the host's socket at the other end.
///
///     peer.send(.syn, seq: 100)
///     peer.expectConnect()
///     peer.connectSucceeds()
///     peer.expect([.syn, .ack], seq: 0, ack: 101)
///
/// The guest's sequence numbers are what the test says. The stack's are counted from its initial one: SYN is 0, the first
/// byte is 1.
final class TCPPeer {
    /// A segment that the stack sent.
    struct Received {
        var flags: TCPFlags
        /// Counted from the stack's initial sequence number.
        var sequence: Int
        var acknowledgement: UInt32
        var window: Int
        var options: TCPOptions
        var payload: [UInt8]
        var segmentSize: Int
        var trafficClass: UInt8
        var urgentPointer: Int
    }

    let net: StackUnderTest
    var guest: TransportAddress
    var remote: TransportAddress
    /// The stack's initial sequence number, from its SYN.
    var initialSequence: UInt32?
    /// The host's name for the connection, from the effect that opened it.
    var handle: Handle?
    var window: UInt16 = 65_535
    /// The guest's clock. Where it has one, its segments carry timestamps, but for resets.
    var clock: UInt32?
    /// The latest timestamp of the stack's.
    private(set) var echo: UInt32 = 0
    /// What the guest's packets have in their IP headers.
    var hopLimit: UInt8 = 64
    var trafficClass: UInt8 = 0

    init(
        _ net: StackUnderTest, port: UInt16 = 40_000, to remote: String = "198.51.100.7:80"
    ) throws {
        self.net = net
        self.remote = try #require(TransportAddress(remote))
        let address =
            self.remote.address.isIPv4 ? IPAddress(net.plan.firstGuestIPv4) : IPAddress(net.plan.firstGuestIPv6)
        guest = TransportAddress(address: address, port: port)
    }

    /// A connection that is established already; the guest's next byte is `101`, the stack's `1`.
    static func established(
        _ net: StackUnderTest, port: UInt16 = 40_000, window: UInt16 = 65_535, options: TCPOptions = TCPPeer.options,
        clock: UInt32? = nil
    ) throws -> TCPPeer {
        let peer = try TCPPeer(net, port: port)
        peer.window = window
        peer.clock = clock
        peer.send(.syn, seq: 100, options: options)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack], seq: 0, ack: 101)
        peer.send(.ack, seq: 101, ack: 1)
        if window > 0 {
            net.expectEffect(.receiveStream)
        } else {
            net.expectEffect(.watchStream)
        }
        return peer
    }

    /// What Linux offers, but without window scale, so that a test's numbers are bytes.
    static var options: TCPOptions {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_460
        options.sackPermitted = true
        return options
    }

    static func options(segmentSize: UInt16?, scale: UInt8? = nil, sack: Bool = false) -> TCPOptions {
        var options = TCPOptions()
        options.maximumSegmentSize = segmentSize
        options.windowScale = scale
        options.sackPermitted = sack
        return options
    }

    /// `count` bytes that tell where they belong.
    static func pattern(_ count: Int, from position: Int = 0) -> [UInt8] {
        (position..<position + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    // MARK: The guest

    /// - Parameters:
    ///   - ack: counted from the stack's initial sequence number.
    ///   - rawAck: an acknowledgement number as it is, where the stack has sent none to count from.
    func send(
        _ flags: TCPFlags, seq: UInt32, ack: Int? = nil, rawAck: UInt32 = 0, window: UInt16? = nil,
        payload: [UInt8] = [], options: TCPOptions? = nil, sack: [Range<Int>] = [], urgentPointer: UInt16 = 0,
        echoing: UInt32? = nil
    ) {
        net.receive(
            segment(
                flags, seq: seq, ack: ack, rawAck: rawAck, window: window, payload: payload, options: options,
                sack: sack, urgentPointer: urgentPointer, echoing: echoing))
    }

    /// The frame of such a segment.
    func segment(
        _ flags: TCPFlags, seq: UInt32, ack: Int? = nil, rawAck: UInt32 = 0, window: UInt16? = nil,
        payload: [UInt8] = [], options: TCPOptions? = nil, sack: [Range<Int>] = [], urgentPointer: UInt16 = 0,
        echoing: UInt32? = nil
    ) -> [UInt8] {
        var options = options ?? (flags.contains(.syn) ? Self.options : TCPOptions())
        let base = initialSequence ?? 0
        for (index, block) in sack.enumerated() {
            options.sackBlocks[index] = SACKBlock(
                start: SequenceNumber(base &+ UInt32(block.lowerBound)),
                end: SequenceNumber(base &+ UInt32(block.upperBound)))
            options.sackBlockCount = index + 1
        }
        if let clock, !flags.contains(.rst) {
            options.timestamps = TimestampOption(value: clock, echo: flags.contains(.ack) ? echoing ?? echo : 0)
        }
        let number = ack.map { base &+ UInt32(truncatingIfNeeded: $0) } ?? rawAck
        let fields = TCPFields(
            sourcePort: guest.port, destinationPort: remote.port, sequence: SequenceNumber(seq),
            acknowledgement: SequenceNumber(number), flags: flags, window: window ?? self.window,
            optionsLength: options.encodedLength)
        return frame(fields, options, payload, urgentPointer)
    }

    private func frame(
        _ fields: TCPFields, _ options: TCPOptions, _ payload: [UInt8], _ urgentPointer: UInt16
    ) -> [UInt8] {
        let isIPv4 = guest.address.isIPv4
        let ipLength = isIPv4 ? 20 : 40
        let tcp = VirtioNetHeader.length + EthernetHeader.length + ipLength
        var frame = [UInt8](repeating: 0, count: tcp + fields.headerLength) + payload
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let ethernet = base + VirtioNetHeader.length
            EthernetFields(
                destination: net.plan.gatewayMAC, source: StackUnderTest.guestMAC,
                etherType: isIPv4 ? EtherType.ipv4 : EtherType.ipv6
            ).write(to: ethernet)
            let length = bytes.count - tcp
            if isIPv4 {
                IPv4Fields(
                    source: guest.address.ipv4, destination: remote.address.ipv4, protocolNumber: IPProtocol.tcp,
                    payloadLength: length, timeToLive: hopLimit, typeOfService: trafficClass
                ).write(to: ethernet + EthernetHeader.length)
            } else {
                IPv6Fields(
                    source: guest.address.ipv6, destination: remote.address.ipv6, nextHeader: IPProtocol.tcp,
                    payloadLength: length, hopLimit: hopLimit, trafficClass: trafficClass
                ).write(to: ethernet + EthernetHeader.length)
            }
            fields.write(to: base + tcp)
            bytes.storeBytes(of: urgentPointer.bigEndian, toByteOffset: tcp + 18, as: UInt16.self)
            options.write(to: base + tcp + 20)
            let checksum = Checksum.transport(
                UnsafeRawBufferPointer(rebasing: bytes[tcp...]), source: guest.address, destination: remote.address,
                protocolNumber: IPProtocol.tcp)
            bytes.storeBytes(of: checksum, toByteOffset: tcp + 16, as: UInt16.self)
        }
        return frame
    }

    /// An ICMP error from the guest about a frame that the stack sent, virtio-net header first.
    func sendError(_ error: ICMPFields, about sent: [UInt8], from router: IPAddress? = nil) {
        let source = router ?? guest.address
        let isIPv4 = source.isIPv4
        let packet = sent.dropFirst(VirtioNetHeader.length + EthernetHeader.length)
        let quote = packet.prefix(isIPv4 ? 28 : 400)
        let message = VirtioNetHeader.length + EthernetHeader.length + (isIPv4 ? 20 : 40)
        var frame = [UInt8](repeating: 0, count: message + ICMPv4Header.length) + quote
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let ethernet = base + VirtioNetHeader.length
            EthernetFields(
                destination: net.plan.gatewayMAC, source: StackUnderTest.guestMAC,
                etherType: isIPv4 ? EtherType.ipv4 : EtherType.ipv6
            ).write(to: ethernet)
            let length = bytes.count - message
            let icmp = UnsafeRawBufferPointer(rebasing: bytes[message...])
            error.write(to: base + message)
            if isIPv4 {
                IPv4Fields(
                    source: source.ipv4, destination: remote.address.ipv4, protocolNumber: IPProtocol.icmp,
                    payloadLength: length
                ).write(to: ethernet + EthernetHeader.length)
            } else {
                IPv6Fields(
                    source: source.ipv6, destination: remote.address.ipv6, nextHeader: IPProtocol.icmpv6,
                    payloadLength: length
                ).write(to: ethernet + EthernetHeader.length)
            }
            let checksum =
                isIPv4
                ? Checksum.finish(Checksum.partial(icmp))
                : Checksum.transport(
                    icmp, source: source, destination: remote.address, protocolNumber: IPProtocol.icmpv6)
            bytes.storeBytes(of: checksum, toByteOffset: message + 2, as: UInt16.self)
        }
        net.receive(frame)
    }

    /// The oldest segment that the stack sent must be this one; what is not named may be anything.
    @discardableResult
    func expect(
        _ flags: TCPFlags, seq: Int? = nil, ack: UInt32? = nil, window: Int? = nil, payload: [UInt8]? = nil,
        length: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) -> Received? {
        guard let frame = net.frames.first else {
            Issue.record("\(flags) was expected, nothing was sent", sourceLocation: sourceLocation)
            return nil
        }
        net.frames.removeFirst()
        guard let received = read(frame) else {
            Issue.record("\(flags) was expected, not a segment of another kind", sourceLocation: sourceLocation)
            return nil
        }
        #expect(received.flags.subtracting(.psh) == flags, sourceLocation: sourceLocation)
        if let seq { #expect(received.sequence == seq, sourceLocation: sourceLocation) }
        if let ack { #expect(received.acknowledgement == ack, sourceLocation: sourceLocation) }
        if let window { #expect(received.window == window, sourceLocation: sourceLocation) }
        if let payload { #expect(received.payload == payload, sourceLocation: sourceLocation) }
        if let length { #expect(received.payload.count == length, sourceLocation: sourceLocation) }
        return received
    }

    private func read(_ frame: [UInt8]) -> Received? {
        var summary = FrameSummary()
        return frame.withUnsafeBytes { bytes -> Received? in
            guard FrameSummary.parse(bytes, into: &summary) == .none, summary.kind == .tcp else { return nil }
            let start = VirtioNetHeader.length + Int(summary.transportOffset)
            guard let header = TCPHeader(UnsafeRawBufferPointer(rebasing: bytes[start...])),
                let options = TCPOptions.parse(header.options),
                summary.sourcePort == remote.port, summary.destinationPort == guest.port
            else { return nil }
            if let stamp = options.timestamps { echo = stamp.value }
            if header.flags.contains(.syn) { initialSequence = header.sequence.rawValue }
            let base = SequenceNumber(initialSequence ?? 0)
            return Received(
                flags: header.flags, sequence: Int(header.sequence.distance(from: base)),
                acknowledgement: header.acknowledgement.rawValue, window: Int(header.window), options: options,
                payload: [UInt8](header.payload), segmentSize: Int(summary.segmentSize),
                trafficClass: summary.trafficClass, urgentPointer: Int(header.urgentPointer))
        }
    }

    func expectSilence(sourceLocation: SourceLocation = #_sourceLocation) {
        let sent = net.frames.map { frame in read(frame).map { "\($0.flags) \($0.sequence)" } ?? "another kind" }
        #expect(sent == [], sourceLocation: sourceLocation)
        net.frames = []
    }

    var state: TCPState? { handle.flatMap { net.stack.connectionState($0) } }

    func advance(by nanoseconds: UInt64) { net.advance(by: nanoseconds) }

    // MARK: The host

    /// The stack must ask for a socket.
    func expectConnect(to address: String? = nil, sourceLocation: SourceLocation = #_sourceLocation) {
        guard let effect = net.expectEffect(.connectStream, sourceLocation: sourceLocation) else { return }
        handle = effect.handle
        if let address { #expect("\(effect.address)" == address, sourceLocation: sourceLocation) }
    }

    private func withHandle(_ event: (inout Stack, Handle) -> Void) {
        guard let handle else {
            Issue.record("the connection has no name yet")
            return
        }
        net.turn { event(&$0, handle) }
    }

    func connectSucceeds() {
        withHandle { stack, handle in
            stack.streamOpened(handle, socket: 7)
            stack.streamConnected(handle)
        }
    }

    func connectFails(_ failure: ConnectFailure) {
        withHandle { stack, handle in
            stack.streamOpened(handle, socket: 7)
            stack.streamConnectFailed(handle, failure)
        }
    }

    /// A client of a published port.
    func openFromHost(trust: GuestTrust = .certain, sourceLocation: SourceLocation = #_sourceLocation) {
        net.turn { stack in handle = stack.openFromHost(client: remote, guest: guest, trust: trust) }
        #expect(handle != nil, sourceLocation: sourceLocation)
        withHandle { stack, handle in stack.streamOpened(handle, socket: 7) }
    }

    /// The host's socket gives bytes.
    func hostSends(_ bytes: [UInt8], precedesUrgent: Bool = false) {
        let lease = net.buffer(bytes)
        withHandle { stack, handle in
            stack.streamReceived(
                handle, lease, offset: Stack.headroom, length: bytes.count, precedesUrgent: precedesUrgent)
        }
    }

    func hostEnds() { withHandle { $0.streamEnded($1) } }
    func hostFails() { withHandle { $0.streamFailed($1) } }

    /// The stack must ask about the far end, and hears this.
    func expectLook(
        solicits: Bool = false, _ report: PeerReport, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard let effect = net.expectEffect(.inspectStream, sourceLocation: sourceLocation) else { return }
        #expect(effect.solicits == solicits, sourceLocation: sourceLocation)
        withHandle { $0.streamReported($1, report) }
    }

    /// What the guest's bytes for the host are now, in order.
    var parked: [UInt8] {
        guard let handle else { return [] }
        var bytes: [UInt8] = []
        var lease = net.stack.unsentPayload(handle)
        while !lease.isNone {
            let state = net.space.state(of: lease)
            bytes += UnsafeRawBufferPointer(start: net.space.payload(of: lease), count: Int(state.pointee.length))
            lease = state.pointee.next
        }
        return bytes
    }

    /// The socket takes bytes of what is parked.
    func hostTakes(_ count: Int) { withHandle { $0.streamSent($1, bytes: count) } }

    /// The stack must ask for a send, and what is parked must be `bytes`; the socket takes all of it.
    func expectHostTakes(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
        net.expectEffect(.sendStream, sourceLocation: sourceLocation)
        #expect(parked == bytes, sourceLocation: sourceLocation)
        hostTakes(bytes.count)
    }
}
