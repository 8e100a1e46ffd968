import CRingway
import Glibc
import Testing

@testable import Ringway

@Suite("Ten thousand published ports", .enabled(if: KernelFeatures.probe()[0].present), .serialized)
struct PortRangeTests {
    private static let range: ClosedRange<UInt16> = 20_000...29_999

    /// On an address that no other test uses.
    private static let forward = PortForward(
        hostAddress: IPAddress(IPv4Address(127, 1, 2, 3)), hostPorts: range, guestPorts: range, transport: .tcp)

    @Test func `come and go as one, and leave nothing`() throws {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        _ = ringway_file_limit(&soft, &hard)
        try #require(hard > 12_000)
        _ = ringway_set_file_limit(hard, hard)
        var configuration = VirtualNetwork.Configuration()
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        configuration.shards = 1
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        var ends: [Int32] = [-1, -1]
        try #require(ringway_message_pair(&ends) == 0)
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        defer { close(ends[1]) }
        try network.attach(
            Link(queues: [ends[0]], takesUDPSuperFrames: true), mac: MACAddress(rawValue: 0x5254_0000_0001))
        for _ in 0..<3 {
            let number = try network.publish(Self.forward)
            #expect(throws: VirtualNetwork.Failure.self) { try network.publish(Self.forward) }
            try network.unpublish(number)
        }
        #expect(network.publishedPorts.isEmpty)
    }
}
