import RingwayWire
import TestSupport
import Testing

@Suite("MAC address") struct MACAddressTests {
    @Test func `text and integer agree`() throws {
        let address = try #require(MACAddress("02:00:00:00:ab:01"))
        #expect(address.rawValue == 0x0200_0000_AB01)
        #expect(address.description == "02:00:00:00:ab:01")
        #expect(MACAddress("2-0-0-0-AB-1") == address)
    }

    @Test(
        "refuses what is no address",
        arguments: [
            "", ":", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:", ":02:00:00:00:00:01",
            "02:00:00:00:00:001",
            "02:00-00:00:00:01", "02:00:00:00:00:0g", "020000000001", "02:00:00:00:00:01 ",
        ])
    func refuses(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test func `stores and loads six bytes at any alignment`() {
        let address = MACAddress(rawValue: 0x0102_0304_0506)
        let bytes = written(9) { address.store(to: $0 + 1) }
        #expect(bytes == [0xA5, 1, 2, 3, 4, 5, 6, 0xA5, 0xA5])
        #expect(bytes.withUnsafeBytes { $0.baseAddress.map { MACAddress(loadingFrom: $0 + 1) } } == address)
    }

    @Test func `tells groups from stations`() {
        #expect(MACAddress.broadcast.isMulticast)
        #expect(MACAddress.multicast(IPv6Address.allNodes).description == "33:33:00:00:00:01")
        #expect(MACAddress.multicast(IPv4Address(224, 128, 0, 251)).description == "01:00:5e:00:00:fb")
        #expect(!MACAddress(rawValue: 0x0200_0000_0001).isMulticast)
        #expect(MACAddress(rawValue: 0x0200_0000_0001).isLocallyAdministered)
    }
}

@Suite("IPv4 address") struct IPv4AddressTests {
    @Test(arguments: ["0.0.0.0", "255.255.255.255", "192.168.127.1", "1.20.103.4"])
    func `text survives the round trip`(_ text: String) throws {
        #expect(IPv4Address(text)?.description == text)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1..3.4", "1.2.3.4 ", "+1.2.3.4", "1.2.3.-4", "a.b.c.d",
    ])
    func `refuses what is no dotted quad`(_ text: String) {
        #expect(IPv4Address(text) == nil)
    }

    @Test func `knows its ranges`() {
        #expect(IPv4Address(224, 0, 0, 1).isMulticast && IPv4Address(239, 255, 255, 255).isMulticast)
        #expect(!IPv4Address(223, 0, 0, 1).isMulticast && !IPv4Address(240, 0, 0, 1).isMulticast)
        #expect(IPv4Address(127, 9, 9, 9).isLoopback && !IPv4Address(128, 0, 0, 1).isLoopback)
        #expect(IPv4Address(169, 254, 1, 1).isLinkLocal && !IPv4Address(169, 253, 1, 1).isLinkLocal)
        #expect(IPv4Address.unspecified.isUnspecified && IPv4Address.broadcast.isBroadcast)
        #expect(IPv4Address(10, 0, 0, 1) < IPv4Address(10, 0, 0, 2))
    }
}

@Suite("IPv6 address") struct IPv6AddressTests {
    /// Text as people write it (RFC 4291 §2.2) and as we do (RFC 5952).
    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:0:0:1", "::1"),
        ("ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"),
        ("2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"), ("FF01::101", "ff01::101"),
        ("0:0:0:0:0:0:13.1.68.3", "::d01:4403"), ("::FFFF:129.144.52.38", "::ffff:129.144.52.38"),
        ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("fe80:0:0:0:0:0:0:0", "fe80::"), ("1:0:0:2::", "1:0:0:2::"),
    ])
    func `reads every form and writes the canonical one`(_ text: String, canonical: String) throws {
        let address = try #require(IPv6Address(text))
        #expect(address.description == canonical)
        #expect(IPv6Address(canonical) == address)
    }

    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        ":1::", "1:",
        "::1:", "12345::", "::g", "::1%eth0", "1.2.3.4", "::1.2.3", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "1:::2",
        "::1 ",
    ])
    func `refuses what is no address`(_ text: String) {
        #expect(IPv6Address(text) == nil)
    }

    @Test func `every address survives the text`() throws {
        var noise = SeededNoise(seed: 6)
        for _ in 0..<2_000 {
            // Masks make runs of zero groups of every length and place.
            let masks = noise.next()
            var halves: [UInt64] = [noise.next(), noise.next()]
            for group in 0..<8 where masks >> UInt64(group) & 1 == 0 {
                halves[group / 4] &= ~(0xFFFF << UInt64(group % 4 * 16))
            }
            let address = IPv6Address(high: halves[0], low: halves[1])
            #expect(IPv6Address(address.description) == address)
        }
    }

    /// RFC 4291 appendix A and §2.7.1.
    @Test func `derives addresses from a MAC address`() throws {
        let mac = try #require(MACAddress("34:56:78:9a:bc:de"))
        #expect(IPv6Address.linkLocal(mac: mac).description == "fe80::3656:78ff:fe9a:bcde")
        let address = try #require(IPv6Address("4037::01:800:200e:8c6c"))
        #expect(address.solicitedNodeMulticast.description == "ff02::1:ff0e:8c6c")
        #expect(MACAddress.multicast(address.solicitedNodeMulticast).description == "33:33:ff:0e:8c:6c")
    }

    @Test func `knows its ranges`() throws {
        #expect(IPv6Address("febf::1")?.isLinkLocal == true)
        #expect(IPv6Address("fec0::1")?.isLinkLocal == false)
        #expect(IPv6Address.allNodes.isMulticast && IPv6Address.allRouters.description == "ff02::2")
        #expect(IPv6Address.loopback.isLoopback && IPv6Address.unspecified.isUnspecified)
        #expect(!IPv6Address.unspecified.isLoopback && !IPv6Address.loopback.isUnspecified)
    }

    @Test func `stores and loads sixteen bytes`() {
        let address = IPv6Address(high: 0x0001_0203_0405_0607, low: 0x0809_0A0B_0C0D_0E0F)
        let bytes = written(16, address.store(to:))
        #expect(bytes == Array(0...15))
        #expect(bytes.withUnsafeBytes { $0.baseAddress.map(IPv6Address.init(loadingFrom:)) } == address)
    }
}

@Suite("Addresses of either family") struct IPAddressTests {
    @Test(arguments: ["10.0.0.1", "fd00::1", "::", "0.0.0.0"])
    func `text survives the round trip`(_ text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == text)
        #expect(address.isIPv4 == text.contains("."))
    }

    @Test func `asks the family's own ranges`() throws {
        #expect(IPAddress("127.0.0.1")?.isLoopback == true && IPAddress("::1")?.isLoopback == true)
        #expect(IPAddress("224.0.0.1")?.isMulticast == true && IPAddress("ff02::1")?.isMulticast == true)
        #expect(IPAddress("169.254.9.9")?.isLinkLocal == true && IPAddress("fe80::9")?.isLinkLocal == true)
        #expect(IPAddress("0.0.0.0")?.isUnspecified == true && IPAddress("::")?.isUnspecified == true)
    }

    @Test(arguments: ["1.2.3.4:80", "[::1]:65535", "[fd00::1]:0"])
    func `a transport address survives the text`(_ text: String) throws {
        #expect(TransportAddress(text)?.description == text)
    }

    @Test(arguments: [
        "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "::1:80", "[::1]", "[1.2.3.4]:80", ":80", "[::1:80", "1.2.3.4:080",
    ])
    func `refuses what is no transport address`(_ text: String) {
        #expect(TransportAddress(text) == nil)
    }
}

@Suite("CIDR block") struct CIDRBlockTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "255.1.2.3", true),
        ("192.168.127.1/24", "192.168.127.200", true), ("192.168.127.1/24", "192.168.126.200", false),
        ("1.2.3.4", "1.2.3.4", true), ("1.2.3.4", "1.2.3.5", false), ("1.2.3.4/31", "1.2.3.5", true),
        ("fd00::/8", "fdff::1", true), ("fd00::/8", "fc00::1", false), ("2001:db8::/64", "2001:db8::ffff", true),
        ("2001:db8::/65", "2001:db8:0:0:8000::", false), ("::/0", "fe80::1", true), ("::/0", "1.2.3.4", false),
        ("0.0.0.0/0", "::1", false), ("::1", "::1", true), ("::1", "::2", false),
    ])
    func `contains what shares its prefix`(_ block: String, _ address: String, expected: Bool) throws {
        let member = try #require(IPAddress(address))
        #expect(CIDRBlock(block)?.contains(member) == expected)
    }

    @Test(arguments: ["10.0.0.0/33", "::/129", "10.0.0.0/", "/8", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0/8", ""])
    func `refuses what is no block`(_ text: String) {
        #expect(CIDRBlock(text) == nil)
    }

    @Test func `names its first address`() throws {
        #expect(CIDRBlock("192.168.127.9/24")?.networkAddress.description == "192.168.127.0")
        #expect(CIDRBlock("fd00::9/120")?.networkAddress.description == "fd00::")
        #expect(CIDRBlock("1.2.3.4")?.description == "1.2.3.4/32")
    }
}

@Suite("TCP sequence numbers") struct SequenceNumberTests {
    @Test func `order goes round the circle`() {
        let last = SequenceNumber(0xFFFF_FFFF)
        #expect(last.precedes(SequenceNumber(0)) && !SequenceNumber(0).precedes(last))
        #expect(!last.precedes(last))
        #expect(SequenceNumber(5).distance(from: last) == 6)
        #expect(last.distance(from: SequenceNumber(5)) == -6)
        #expect(last.advanced(by: 6) == SequenceNumber(5) && SequenceNumber(5).advanced(by: -6) == last)
    }

    @Test func `a window may span the wrap`() {
        let start = SequenceNumber(0xFFFF_FFF0)
        #expect(start.isInside(windowStartingAt: start, size: 1))
        #expect(SequenceNumber(0x0F).isInside(windowStartingAt: start, size: 0x20))
        #expect(!SequenceNumber(0x10).isInside(windowStartingAt: start, size: 0x20))
        #expect(!start.isInside(windowStartingAt: start, size: 0))
    }
}
