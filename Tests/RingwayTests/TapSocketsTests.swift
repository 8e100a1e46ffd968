import CRingway
import Glibc
import Testing

@testable import Ringway

@Suite("Sockets inside a guest, by its TAP device")
struct TapSocketsTests {
    private static let plan: NetworkPlan = {
        guard let block = CIDRBlock("10.0.0.0/24"),
            let plan = NetworkPlan(ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD << 56, low: 0), mtu: 1_500)
        else { preconditionFailure("a constant is a network") }
        return plan
    }()

    @Test func `leave no descriptor open where there are too many queues`() throws {
        // One end of a connection stands in for a queue. Once every duplicate is closed, the other end reads the end.
        var ends: [Int32] = [-1, -1]
        try #require(ringway_message_pair(&ends) == 0)
        defer { close(ends[0]) }
        #expect(TapSockets.source(of: ends[1], queues: 65, plan: Self.plan).descriptors.isEmpty)
        close(ends[1])
        var byte: UInt8 = 0
        #expect(recv(ends[0], &byte, 1, Int32(MSG_DONTWAIT)) == 0)
    }
}
