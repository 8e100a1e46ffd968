import Testing

@testable import Ringway

@Suite("Where ports may be published")
struct BindPolicyTests {
    private static let outside = IPAddress(IPv4Address(192, 0, 2, 1))
    private static let loopback = [IPAddress(IPv4Address(127, 0, 0, 1)), IPAddress(high: 0, low: 1)]
    private static let everyIPv4 = IPAddress(IPv4Address(rawValue: 0))

    @Test func `leaves everything as it is asked for where all is allowed`() {
        #expect(BindPolicy.everywhere.places(for: nil) == [nil])
        #expect(BindPolicy.everywhere.places(for: Self.outside) == [Self.outside])
    }

    @Test func `maps a request for every address to the allowed ones`() {
        #expect(BindPolicy.loopback.places(for: nil) == Self.loopback)
        #expect(BindPolicy.addresses([Self.outside]).places(for: nil) == [Self.outside])
    }

    @Test func `maps a request for every address of a family to the allowed ones of the family`() {
        #expect(BindPolicy.loopback.places(for: Self.everyIPv4) == [Self.loopback[0]])
        #expect(BindPolicy.loopback.places(for: IPAddress(high: 0, low: 0)) == [Self.loopback[1]])
        #expect(BindPolicy.addresses([Self.outside]).places(for: IPAddress(high: 0, low: 0)).isEmpty)
    }

    @Test func `takes every address of the loopback for the loopback`() {
        let other = IPAddress(IPv4Address(127, 9, 9, 9))
        #expect(BindPolicy.loopback.places(for: other) == [other])
    }

    @Test func `refuses another address`() {
        #expect(BindPolicy.loopback.places(for: Self.outside).isEmpty)
        #expect(BindPolicy.addresses([Self.outside]).places(for: Self.loopback[0]).isEmpty)
    }

    @Test func `says why`() throws {
        var configuration = VirtualNetwork.Configuration()
        configuration.publishOn = .loopback
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        let forward = PortForward(
            hostAddress: Self.outside, hostPorts: 8080...8080, guestPorts: 80...80, transport: .tcp)
        let failure = #expect(throws: VirtualNetwork.Failure.self) { try network.publish(forward) }
        #expect(
            failure?.description == "192.0.2.1:8080:80/tcp: ports are published on the host's loopback only")
        #expect(failure?.kind == .notPermitted)
    }
}
