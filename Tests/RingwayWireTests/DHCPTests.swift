import RingwayWire
import TestSupport
import Testing

@Suite("DHCP") struct DHCPTests {
    private let fields = DHCPFields(
        op: DHCPMessage.bootReply, xid: 0xDEAD_BEEF, secs: 3, flags: DHCPMessage.broadcastFlag,
        yiaddr: IPv4Address(192, 168, 127, 2), siaddr: IPv4Address(192, 168, 127, 1),
        chaddr: MACAddress(rawValue: 0x0200_0000_0002))

    private func message(capacity: Int = 576, _ options: (inout DHCPOptionWriter) -> Void) -> [UInt8] {
        var length = 0
        let bytes = written(capacity) {
            fields.write(to: $0)
            var writer = DHCPOptionWriter($0, capacity: capacity)
            options(&writer)
            length = writer.finish()
        }
        return Array(bytes.prefix(length))
    }

    @Test func `a message survives the round trip`() throws {
        let bytes = message {
            $0.append(DHCPOption.messageType, DHCPMessageType.offer.rawValue)
            $0.append(DHCPOption.serverIdentifier, IPv4Address(192, 168, 127, 1))
            $0.append(DHCPOption.leaseTime, UInt32(86_400))
            $0.append(DHCPOption.interfaceMTU, UInt16(1_500))
            $0.append(DHCPOption.domainNameServer, [IPv4Address(1, 1, 1, 1), IPv4Address(9, 9, 9, 9)])
            $0.append(DHCPOption.hostName, "guest")
            $0.appendDomainSearch(["eng.apple.com", "marketing.apple.com."])
        }
        try bytes.withUnsafeBytes {
            let message = try #require(DHCPMessage($0))
            #expect(message.op == DHCPMessage.bootReply && message.xid == 0xDEAD_BEEF && message.secs == 3)
            #expect(message.flags == DHCPMessage.broadcastFlag && message.chaddr == fields.chaddr)
            #expect(message.yiaddr == fields.yiaddr && message.siaddr == fields.siaddr)
            #expect(message.ciaddr.isUnspecified && message.giaddr.isUnspecified)
            #expect(message.messageType == .offer && message.serverIdentifier == IPv4Address(192, 168, 127, 1))
            #expect(message.option(DHCPOption.leaseTime).map(Array.init) == hex("00015180"))
            #expect(message.option(DHCPOption.interfaceMTU).map(Array.init) == hex("05dc"))
            #expect(message.option(DHCPOption.domainNameServer).map(Array.init) == hex("01010101 09090909"))
            #expect(message.hostName == "guest" && message.requestedAddress == nil)
            let search = hex("03656e67 056170706c65 03636f6d 00 096d61726b6574696e67 056170706c65 03636f6d 00")
            #expect(message.option(DHCPOption.domainSearch).map(Array.init) == search)
        }
    }

    @Test func `a message is never shorter than BOOTP's`() {
        #expect(message { _ in }.count == 300)
    }

    /// What busybox's udhcpc asks with.
    @Test func `reads a client's request`() throws {
        var bytes = written(240, DHCPFields(op: 1, xid: 7, chaddr: MACAddress(rawValue: 0x0242_AC11_0002)).write(to:))
        bytes += hex(
            "350103 3204c0a87f05 3604c0a87f01 3902 0240 37070103060c0f1c2a 3d07010242ac110002 00 0c03666f6f ff")
        try bytes.withUnsafeBytes {
            let message = try #require(DHCPMessage($0))
            #expect(message.messageType == .request && message.requestedAddress == IPv4Address(192, 168, 127, 5))
            #expect(message.serverIdentifier == IPv4Address(192, 168, 127, 1) && message.hostName == "foo")
            #expect(message.requests(DHCPOption.networkTimeServer) && !message.requests(DHCPOption.domainSearch))
            #expect(message.option(DHCPOption.clientIdentifier)?.count == 7)
        }
    }

    @Test func `an option that does not fit is left out`() throws {
        var isOverfull = false
        let bytes = message(capacity: 300) {
            $0.append(DHCPOption.message, String(repeating: "x", count: 200))
            $0.append(DHCPOption.messageType, UInt8(2))
            $0.append(DHCPOption.message, String(repeating: "y", count: 53))
            $0.appendDomainSearch(["a"])
            isOverfull = $0.isOverfull
        }
        #expect(isOverfull && bytes.count == 300)
        try bytes.withUnsafeBytes {
            let message = try #require(DHCPMessage($0))
            #expect(message.messageType == .offer && message.option(DHCPOption.message)?.count == 53)
            #expect(message.option(DHCPOption.domainSearch) == nil)
        }
    }

    @Test("leaves out names that are none", arguments: ["", ".", "a..b", ".a", String(repeating: "x", count: 64)])
    func badNames(_ name: String) throws {
        try message { $0.appendDomainSearch([name]) }.withUnsafeBytes {
            let message = try #require(DHCPMessage($0))
            #expect(message.option(DHCPOption.domainSearch) == nil)
        }
    }

    @Test func `refuses what is no message`() {
        let good = message { $0.append(DHCPOption.hostName, "guest") }
        func refused(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { DHCPMessage($0) == nil } }
        #expect(!refused(good))
        #expect(refused(Array(good.prefix(239))))
        #expect(refused(good.replacing(at: 0, with: 3)))
        #expect(refused(good.replacing(at: 1, with: 6)))
        #expect(refused(good.replacing(at: 2, with: 8)))
        #expect(refused(good.replacing(at: 236, with: 0)))
        #expect(refused(good.replacing(at: 241, with: 200)))
        #expect(refused(Array(good.prefix(241))))
    }

    @Test("survives any bytes at all", arguments: [UInt64](1...16))
    func survivesNoise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let buffer = GuardedBuffer(capacity: 4_096)
        let header = written(240, fields.write(to:))
        for _ in 0..<500 {
            let bytes = header + noise.bytes(Int(noise.next() % 100)).map { $0 & 0x1F }
            guard let message = DHCPMessage(buffer.place(bytes)) else { continue }
            for code in UInt8(0)...0x1F { #expect(message.option(code)?.count ?? 0 < 32) }
        }
    }
}
