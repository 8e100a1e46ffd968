import CRingway
import Glibc
import RingwayStorage
import RingwayWire
import TestSupport
import Testing

@testable import RingwayEngine

/// Control data on its way through the kernel, as the data path writes and reads it.
@Suite("Control messages", .tags(.kernel))
struct ControlMessageTests {
    /// A datagram as it came in.
    struct Received {
        var bytes: [UInt8] = []
        var sender: TransportAddress?
        var notes = ringway_datagram_notes()
        /// The traffic class, where the socket was told to say it.
        var trafficClass: Int32 = -1
    }

    static func receive(_ descriptor: Int32) -> Received {
        guard HostSockets.waitReadable(descriptor) else { return Received() }
        var received = Received()
        withUnsafeTemporaryAllocation(byteCount: 66_000 + 512 + 128, alignment: 16) { memory in
            guard let base = memory.baseAddress else { return }
            var slice = iovec(iov_base: base + 640, iov_len: 66_000)
            var header = msghdr()
            header.msg_name = base + 512
            header.msg_namelen = 128
            header.msg_control = base
            header.msg_controllen = 512
            let count = withUnsafeMutablePointer(to: &slice) {
                header.msg_iov = $0
                header.msg_iovlen = 1
                return recvmsg(descriptor, &header, 0)
            }
            guard count >= 0 else { return }
            received.bytes = Array(UnsafeRawBufferPointer(start: base + 640, count: count))
            received.sender = SocketAddress.read(base + 512, length: header.msg_namelen)
            ringway_read_datagram_control(base, UInt32(header.msg_controllen), &received.notes)
            received.trafficClass = trafficClass(UnsafeRawBufferPointer(start: base, count: header.msg_controllen))
        }
        return received
    }

    /// Looks for IP_TOS, one byte, or IPV6_TCLASS, a word (cmsg(3)).
    private static func trafficClass(_ control: UnsafeRawBufferPointer) -> Int32 {
        var offset = 0
        while offset + 16 <= control.count {
            let length = control.loadUnaligned(fromByteOffset: offset, as: Int.self)
            let level = control.loadUnaligned(fromByteOffset: offset + 8, as: Int32.self)
            let type = control.loadUnaligned(fromByteOffset: offset + 12, as: Int32.self)
            if level == Int32(IPPROTO_IP), type == IP_TOS { return Int32(control[offset + 16]) }
            if level == Int32(IPPROTO_IPV6), type == IPV6_TCLASS {
                return control.loadUnaligned(fromByteOffset: offset + 16, as: Int32.self)
            }
            guard length >= 16 else { return -1 }
            offset += (length + 7) & ~7
        }
        return -1
    }

    /// Sends with every kind of control data asked for. Answers what `sendmsg` did, or a negated `errno`.
    static func send(
        _ bytes: [UInt8], from descriptor: Int32, to target: TransportAddress, source: IPAddress? = nil,
        hopLimit: Int32 = -1, trafficClass: Int32 = 0, segmentSize: UInt16 = 0
    ) -> Int {
        let message = UnsafeMutablePointer<SendMessage>.allocate(capacity: 1)
        message.initialize(to: SendMessage())
        defer { message.deallocate() }
        var bytes = bytes
        return bytes.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return -1 }
            message.pointee.address.set(target)
            message.pointee.append(base, bytes.count, .none)
            let control = SendMessage.control(of: message)
            var length = 0
            if let source {
                length = Int(ringway_write_source_control(control, source.isIPv4, source.high, source.low))
            }
            length += Int(
                ringway_write_datagram_control(
                    control + length, target.address.isIPv4, hopLimit, trafficClass, segmentSize))
            let header = SendMessage.seal(message, address: true, controlLength: length)
            let sent = sendmsg(descriptor, header, Int32(MSG_NOSIGNAL))
            return sent < 0 ? -Int(errno) : sent
        }
    }

    @Test("say nothing where their length is not theirs", arguments: [0, 15, 16, 24, 4_096, .max])
    func sayNothing(length: UInt) {
        // The header alone, and behind it what belongs to somebody else.
        var control = [UInt64](repeating: 0x4D, count: 64)
        control.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: length, as: UInt.self)
            bytes.storeBytes(of: Int32(IPPROTO_IP), toByteOffset: 8, as: Int32.self)
            bytes.storeBytes(of: IP_TTL, toByteOffset: 12, as: Int32.self)
            var notes = ringway_datagram_notes()
            ringway_read_datagram_control(bytes.baseAddress, 16, &notes)
            #expect(notes.hop_limit == -1)
        }
    }

    @Test(arguments: [true, false])
    func `carry hop limit and traffic class to the wire`(ipv4: Bool) throws {
        let receiver = HostSockets.bound(SOCK_DGRAM, ipv4: ipv4)
        let level = Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6))
        #expect(ringway_set_option(receiver.descriptor, level, ipv4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1) == 0)
        #expect(ringway_set_option(receiver.descriptor, level, ipv4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1) == 0)
        let sender = DatagramSocket.openUDP(ipv4: ipv4)
        defer {
            close(receiver.descriptor)
            close(sender)
        }
        #expect(Self.send([1, 2], from: sender, to: receiver.address, hopLimit: 7, trafficClass: 0x28) == 2)
        let received = Self.receive(receiver.descriptor)
        #expect(received.bytes == [1, 2])
        #expect(received.notes.hop_limit == 7)
        #expect(received.trafficClass == 0x28)
        #expect(Self.send([3], from: sender, to: receiver.address) == 1)
        #expect(Self.receive(receiver.descriptor).notes.hop_limit == 64)
    }

    @Test(arguments: [true, false])
    func `split a train into datagrams, and tell their size when it is gathered again`(ipv4: Bool) throws {
        let receiver = HostSockets.bound(SOCK_DGRAM, ipv4: ipv4)
        let sender = DatagramSocket.openUDP(ipv4: ipv4)
        defer {
            close(receiver.descriptor)
            close(sender)
        }
        let train = (0..<2_500).map { UInt8(truncatingIfNeeded: $0) }
        #expect(Self.send(train, from: sender, to: receiver.address, segmentSize: 1_000) == 2_500)
        let parts = (0..<3).map { _ in Self.receive(receiver.descriptor).bytes }
        #expect(parts.map(\.count) == [1_000, 1_000, 500])
        #expect(parts.flatMap { $0 } == train)
        // With UDP_GRO the same comes in one piece.
        #expect(ringway_set_option(receiver.descriptor, Int32(IPPROTO_UDP), UDP_GRO, 1) == 0)
        #expect(Self.send(train, from: sender, to: receiver.address, segmentSize: 1_000) == 2_500)
        let whole = Self.receive(receiver.descriptor)
        #expect(whole.bytes == train)
        #expect(whole.notes.segment_size == 1_000)
    }

    @Test(arguments: [true, false])
    func `tell the address that a datagram came to, and answer from it`(ipv4: Bool) throws {
        let any = ipv4 ? IPAddress(IPv4Address(rawValue: 0)) : IPAddress(high: 0, low: 0)
        let listener = try Listener.datagram(address: any, port: 0)
        let port = try #require(SocketAddress.local(of: listener)).port
        // All of 127/8 is the loopback's; its IPv6 has the one address.
        let spoken = ipv4 ? IPAddress(IPv4Address(127, 9, 8, 7)) : HostSockets.loopbackIPv6
        let client = HostSockets.bound(SOCK_DGRAM, ipv4: ipv4)
        defer {
            close(listener)
            close(client.descriptor)
        }
        #expect(HostSockets.connect(client.descriptor, to: TransportAddress(address: spoken, port: port)) == 0)
        HostSockets.send([1], to: client.descriptor)
        let question = Self.receive(listener)
        #expect(question.notes.has_local)
        #expect(IPAddress(high: question.notes.local_high, low: question.notes.local_low) == spoken)
        #expect(question.sender == client.address)
        // A connected socket takes nothing that comes from another address.
        #expect(Self.send([2], from: listener, to: client.address, source: spoken) == 1)
        #expect(Self.receive(client.descriptor).bytes == [2])
    }

    @Test(arguments: [true, false])
    func `have room for everything at once`(ipv4: Bool) throws {
        let any = ipv4 ? IPAddress(IPv4Address(rawValue: 0)) : IPAddress(high: 0, low: 0)
        let listener = try Listener.datagram(address: any, port: 0)
        let client = HostSockets.bound(SOCK_DGRAM, ipv4: ipv4)
        defer {
            close(listener)
            close(client.descriptor)
        }
        let sent = Self.send(
            [UInt8](repeating: 7, count: 300), from: listener, to: client.address,
            source: HostSockets.loopback(ipv4), hopLimit: 9, trafficClass: 0x20, segmentSize: 100)
        #expect(sent == 300)
        for _ in 0..<3 { #expect(Self.receive(client.descriptor).bytes.count == 100) }
    }

    @Test func `are no longer than the room a message keeps for them`() {
        let room = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
        defer { room.deallocate() }
        for ipv4 in [true, false] {
            let source = ringway_write_source_control(room, ipv4, 0, 1)
            let rest = ringway_write_datagram_control(room + Int(source), ipv4, 1, 1, 1)
            #expect(Int(source + rest) <= SendMessage.controlLimit)
        }
        #expect(ringway_write_datagram_control(room, true, -1, 0, 0) == 0)
    }

    @Test(arguments: [UInt64](1...32))
    func `survive any bytes at all`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
        defer { memory.deallocate() }
        var notes = ringway_datagram_notes()
        for _ in 0..<500 {
            for word in 0..<32 { memory.storeBytes(of: noise.next(), toByteOffset: word * 8, as: UInt64.self) }
            // A length that leads somewhere makes the walk go on.
            memory.storeBytes(of: noise.next() % 64, as: UInt64.self)
            ringway_read_datagram_control(memory, UInt32(noise.next() % 257), &notes)
        }
        #expect(notes.hop_limit >= -1 || notes.hop_limit < 0)
    }
}
