import RingwayModel
import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

/// What made similar programs write or read beyond a buffer, or rewrite what they carry.
@Suite("Packets that other stacks mishandled")
struct PeerFaultTests {
    let net: StackUnderTest

    init() throws { net = try StackUnderTest() }

    // MARK: Payload

    struct Exchange: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let port: UInt16
        let request: String
        let answer: String

        init(_ description: String, _ port: UInt16, _ request: String, _ answer: String) {
            testDescription = description
            self.port = port
            self.request = request
            self.answer = answer
        }
    }

    /// Protocols that name addresses and ports in their payload, for which other NATs have helpers.
    static let streams = [
        Exchange("FTP", 21, "PORT 192,168,127,2,19,137\r\n", "227 Entering Passive Mode (198,51,100,7,4,1)\r\n"),
        Exchange("IDENT", 113, "40000, 6667\r\n", "40000, 6667 : USERID : UNIX : guest\r\n"),
        Exchange("IRC", 6_667, "PRIVMSG a :\u{1}DCC SEND f 3232268034 5000\u{1}\r\n", ":b PRIVMSG a :no\r\n"),
        Exchange("rsh", 514, "1022\0user\0user\0id\0", "\0uid=0\n"),
        Exchange("RealAudio", 7_070, "PNA\0\u{1}\0\0\0\u{2}\0\u{1B}\u{58}", "PNA\0\n"),
    ]

    static let datagrams = [
        Exchange("TFTP", 69, "\0\u{1}../../../etc/passwd\0netascii\0", "\0\u{5}\0\u{1}no\0"),
        Exchange(
            "SIP", 5_060, "INVITE sip:b SIP/2.0\r\nContact: <sip:a@192.168.127.2:5060>\r\n\r\n",
            "SIP/2.0 100 Trying\r\n\r\n"),
    ]

    /// CVE-2019-6778, CVE-2019-9824, CVE-2020-7039, CVE-2020-8608 (libslirp): `tcp_emu` rewrote payload in place.
    @Test(arguments: streams) func `a stream passes byte for byte, whatever its port`(_ exchange: Exchange) throws {
        let peer = try TCPPeer(net, to: "198.51.100.7:\(exchange.port)")
        peer.send(.syn, seq: 100, options: TCPPeer.options)
        peer.expectConnect(to: "198.51.100.7:\(exchange.port)")
        peer.connectSucceeds()
        peer.expect([.syn, .ack], seq: 0, ack: 101)
        peer.send(.ack, seq: 101, ack: 1)
        net.expectEffect(.receiveStream)
        let (request, answer) = (Array(exchange.request.utf8), Array(exchange.answer.utf8))
        peer.send([.ack, .psh], seq: 101, ack: 1, payload: request)
        peer.expect(.ack, seq: 1, ack: 101 + UInt32(request.count))
        peer.expectHostAccepts(request)
        peer.hostSends(answer)
        peer.expect(.ack, seq: 1, payload: answer)
    }

    @Test(arguments: datagrams) func `so does a datagram`(_ exchange: Exchange) throws {
        let peer = UDPPeer(net)
        let server = "198.51.100.7:\(exchange.port)"
        try peer.send(Array(exchange.request.utf8), to: server)
        let mapping = peer.expectSent(Array(exchange.request.utf8), to: server)
        try peer.hostSends(Array(exchange.answer.utf8), from: server, to: mapping)
        let answer = UDPPeer.Received(source: "198.51.100.7", port: exchange.port, payload: Array(exchange.answer.utf8))
        #expect(peer.received() == answer)
    }

    // MARK: Fragments

    /// CVE-2019-14378 (libslirp, slirp4netns): a first fragment that was larger than the buffer for the datagram.
    @Test("a first fragment may fill a datagram, and what overlaps it condemns it", arguments: [false, true])
    func firstFragment(isIPv6: Bool) throws {
        var builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        let (most, limit) = isIPv6 ? (65_520, 65_535) : (65_512, 65_515)
        #expect(try bench.add(builder.fragment(at: 0, [UInt8](repeating: 7, count: most), more: true)) == nil)
        #expect(bench.inUse == 1)
        let rest = [UInt8](repeating: 9, count: limit - most + 8)
        #expect(try bench.add(builder.fragment(at: most - 8, rest, more: false)) == nil)
        #expect(bench.drops[.fragmentOverlap] == 1)
        #expect(try bench.add(builder.fragment(at: most, Array(rest[8...]), more: false)) == nil)
        #expect(bench.completed == 0)
        builder.identification = 2
        let datagram = builder.datagram(length: limit)
        #expect(try bench.add(builder.cut(datagram, every: most))?.bytes == datagram)
        #expect(bench.drops.total == 1)
    }

    /// CVE-2019-15890 and CVE-2020-1983 (libslirp): a fragment that was linked in a datagram was freed.
    @Test("overlaps, repetitions and tiny ends of 65 datagrams at once leave nothing", arguments: [false, true])
    func manyDatagrams(isIPv6: Bool) throws {
        var builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench(capacity: 64)
        let zeros = [UInt8](repeating: 0, count: 16)
        for number in 1...65 as ClosedRange<UInt32> {
            builder.identification = number
            bench.now += 1
            for _ in 0..<2 { #expect(try bench.add(builder.fragment(at: 0, zeros, more: true)) == nil) }
            #expect(try bench.add(builder.fragment(at: 24, [1], more: false)) == nil)
            #expect(try bench.add(builder.fragment(at: 8, zeros, more: true)) == nil)
        }
        #expect(bench.drops[.fragmentOverlap] == 65)
        #expect(bench.inUse == 64)
        bench.now += Reassembler.timeout
        bench.expire()
        #expect(bench.inUse == 0)
        #expect(bench.completed == 0)
        builder.identification = 66
        #expect(try bench.add(builder.cut(builder.datagram(length: 4_000), every: 1_000))?.bytes.count == 4_000)
    }

    // MARK: Services of the gateway

    /// CVE-2020-10756 (libslirp): the reply to an ICMPv6 echo had bytes from beyond the request.
    @Test func `an echo request that ends before its length gets no reply`() throws {
        let plan = try ServiceNetwork.plan()
        let message =
            GuestFrame.written(8) {
                ICMPFields(type: ICMPv6Header.echoRequest, identifier: 9, sequence: 3).write(to: $0)
            } + [UInt8](repeating: 7, count: 56)
        for request in [
            GuestFrame.icmpv6(message, to: plan.gatewayIPv6, hopLimit: 64),
            GuestFrame.icmpv4(type: ICMPv4Header.echoRequest, to: plan.gatewayIPv4, Array(message[8...])),
        ] {
            var echo = ICMPEcho(plan: plan)
            let summary = try request.summary()
            for length in 0..<request.bytes.count {
                let cut = Array(request.bytes[..<length])
                let reply = written { room in cut.withUnsafeBytes { echo.respond(to: $0, summary, into: room) } }
                #expect(reply == nil, "\(length) bytes")
            }
            #expect(echo.drops[.echoMalformed] == UInt64(request.bytes.count))
        }
    }

    /// CVE-2021-3592 (libslirp): a BOOTP header was read from a shorter datagram.
    @Test func `a DHCP message shorter than its header gets no answer`() throws {
        let bench = DHCPBench(try ServiceNetwork.plan())
        let message = DHCPClientMessage(.discover).payload
        let client = TransportAddress(address: IPAddress(IPv4Address.unspecified), port: 68)
        let server = TransportAddress(address: IPAddress(IPv4Address.broadcast), port: 67)
        for length in 0..<DHCPMessage.headerLength {
            #expect(try bench.send(.udp(from: client, to: server, Array(message[..<length]))) == nil, "\(length) bytes")
        }
        #expect(bench.drops[.dhcpMalformed] == UInt64(DHCPMessage.headerLength))
        #expect(bench.leases.isEmpty)
    }

    /// CVE-2021-3593 to CVE-2021-3595 and CVE-2020-7211 (libslirp): the gateway's TFTP server.
    @Test(arguments: [0, 1, 4, 52]) func `the gateway serves no files`(_ length: Int) throws {
        let peer = UDPPeer(net)
        try peer.send([UInt8](repeating: 7, count: length), to: "192.168.127.1:69")
        net.expectNoEffect()
        // An ICMP error that quotes no more than the guest has sent.
        #expect(net.frames.count == 1)
        let (headers, quoted) = (VirtioNetHeader.length + EthernetHeader.length + 20 + 8, 20 + 8 + length)
        #expect(net.frames.first.map { $0.count <= headers + quoted } == true)
        #expect(net.counters.read(.icmpErrorsToGuest) == 1)
        net.expectNothingHeld()
    }
}
