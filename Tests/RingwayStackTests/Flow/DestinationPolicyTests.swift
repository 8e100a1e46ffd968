import RingwayModel
import TestSupport
import Testing

@testable import RingwayStack

@Suite("Destination policy")
struct DestinationPolicyTests {
    private static let host = "192.168.127.254"

    private func blocks(_ texts: [String]) throws -> [CIDRBlock] { try texts.map { try #require(CIDRBlock($0)) } }

    private func policy(allow: [String] = [], deny: [String] = []) throws -> DestinationPolicy {
        DestinationPolicy(allow: try blocks(allow), deny: try blocks(deny))
    }

    @Test(
        arguments: [
            ([], [], true), ([], ["127.0.0.0/8"], false), ([], ["127.0.0.1/32"], false), ([], ["0.0.0.0/0"], false),
            ([], ["192.168.127.254/32"], false), ([], ["192.168.0.0/16"], false), ([], ["::1/128"], true),
            (["127.0.0.1/32"], ["127.0.0.0/8"], true),
            // An explicit rule for the host's address means the loopback behind it; a block that contains the address
            // does not.
            (["192.168.127.254/32"], ["0.0.0.0/0"], true), (["192.168.127.254/32"], ["127.0.0.0/8"], true),
            (["192.168.0.0/16"], ["127.0.0.0/8"], false), (["192.168.127.254/32"], ["127.0.0.1/32"], false),
            (["127.0.0.0/8"], ["192.168.127.254/32"], false),
        ] as [([String], [String], Bool)])
    func `the loopback is refused by its own address as by the host's`(
        _ allow: [String], _ deny: [String], _ isPermitted: Bool
    ) throws {
        let policy = try policy(allow: allow, deny: deny)
        #expect(
            policy.permits(IPAddress(IPv4Address(127, 0, 0, 1)), as: try #require(IPAddress(Self.host))) == isPermitted)
    }

    @Test func `so it is of IPv6`() throws {
        let host = try #require(IPAddress("fd00::fe"))
        let loopback = try #require(IPAddress("::1"))
        #expect(try policy().permits(loopback, as: host))
        #expect(try !policy(deny: ["::1/128"]).permits(loopback, as: host))
        #expect(try !policy(deny: ["::/0"]).permits(loopback, as: host))
        #expect(try policy(allow: ["fd00::fe"], deny: ["::/0"]).permits(loopback, as: host))
    }

    @Test func `a guest that is kept from the host reaches none of its addresses, whatever is allowed`() throws {
        var policy = try policy(allow: ["10.0.0.0/8", "10.9.9.9/32", "192.168.127.254/32"])
        policy.hostAddresses = AddressRanges(
            try blocks(["127.0.0.0/8", "10.9.9.9/32", "198.18.0.0/24", "fd09::9/128"]))
        for address in ["10.9.9.9", "198.18.0.77", "fd09::9", "127.0.0.53"] {
            #expect(!policy.permits(try #require(IPAddress(address))), "\(address)")
        }
        for address in ["10.9.9.10", "198.18.1.0", "fd09::8"] {
            #expect(policy.permits(try #require(IPAddress(address))), "\(address)")
        }
        #expect(!policy.permits(IPAddress(IPv4Address(127, 0, 0, 1)), as: try #require(IPAddress(Self.host))))
    }

    @Test func `ranges hold what their blocks hold, however these overlap`() throws {
        var noise = SeededNoise(seed: 4)
        for _ in 0..<200 {
            let blocks = (0..<12).compactMap { _ -> CIDRBlock? in
                let isIPv4 = noise.next() & 1 == 0
                let low = noise.next() & 0x3FF
                let address = isIPv4 ? IPAddress(high: 0, low: 0xFFFF_0A00_0000 | low) : IPAddress(high: 7, low: low)
                return CIDRBlock(address: address, prefixLength: (isIPv4 ? 32 : 128) - Int(noise.next() % 8))
            }
            let ranges = AddressRanges(blocks)
            for low in 0..<UInt64(0x400) {
                for address in [IPAddress(high: 0, low: 0xFFFF_0A00_0000 | low), IPAddress(high: 7, low: low)] {
                    #expect(ranges.contains(address) == blocks.contains { $0.contains(address) })
                }
            }
        }
        let all = AddressRanges(try self.blocks(["0.0.0.0/0", "255.255.255.255/32", "::/0"]))
        #expect(all.contains(try #require(IPAddress("255.255.255.255"))))
        #expect(all.contains(try #require(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))))
        #expect(!AddressRanges([]).contains(try #require(IPAddress("::"))))
    }
}
