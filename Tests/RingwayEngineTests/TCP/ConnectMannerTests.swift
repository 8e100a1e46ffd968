import CRingway
import Glibc
import RingwayModel
import Testing

@testable import RingwayEngine

@Suite("The manner of a connect", .tags(.kernel))
struct ConnectMannerTests {
    private static func level(_ ipv4: Bool) -> Int32 { Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)) }

    @Test(arguments: [true, false])
    func `class and hops are the socket's until the connect is through`(_ ipv4: Bool) {
        let descriptor = StreamSocket.open(ipv4: ipv4)
        defer { close(descriptor) }
        let hops = { HostSockets.option(descriptor, Self.level(ipv4), ipv4 ? IP_TTL : IPV6_UNICAST_HOPS) }
        let usual = hops()
        let manner = ConnectManner(hopLimit: 3, trafficClass: 0xB8, privilegedPort: 0)
        #expect(manner.apply(to: descriptor, ipv4: ipv4))
        #expect(hops() == 3)
        #expect(HostSockets.option(descriptor, Self.level(ipv4), ipv4 ? IP_TOS : IPV6_TCLASS) == 0xB8)
        #expect(HostSockets.option(descriptor, Self.level(ipv4), ipv4 ? IP_RECVERR : IPV6_RECVERR) == 1)
        ConnectManner.end(on: descriptor)
        #expect(hops() == usual)
        #expect(HostSockets.option(descriptor, Self.level(ipv4), ipv4 ? IP_RECVERR : IPV6_RECVERR) == 0)
    }

    @Test func `the usual connect is left alone`() {
        let descriptor = StreamSocket.open(ipv4: true)
        defer { close(descriptor) }
        #expect(ConnectManner(hopLimit: nil, trafficClass: 0, privilegedPort: 40_000).apply(to: descriptor, ipv4: true))
        #expect(SocketAddress.local(of: descriptor)?.port == 0)
    }

    @Test(arguments: [true, false])
    func `a privileged port is kept, but not one that the host uses`(_ ipv4: Bool) throws {
        // A port that this machine does not use.
        var kept: (descriptor: Int32, port: UInt16)?
        for port in UInt16(700)..<720 where kept == nil {
            let descriptor = StreamSocket.open(ipv4: ipv4)
            if ConnectManner(hopLimit: nil, trafficClass: 0, privilegedPort: port).apply(to: descriptor, ipv4: ipv4) {
                kept = (descriptor, port)
            } else {
                close(descriptor)
            }
        }
        let (own, port) = try #require(kept)
        defer { close(own) }
        #expect(SocketAddress.local(of: own)?.port == port)
        let other = StreamSocket.open(ipv4: ipv4)
        defer { close(other) }
        #expect(
            !ConnectManner(hopLimit: nil, trafficClass: 0, privilegedPort: port).apply(to: other, ipv4: ipv4))
    }

    @Test(arguments: [true, false], [0xB8, 0] as [Int32])
    func `the class of a client is known`(_ ipv4: Bool, trafficClass: Int32) {
        let listener = HostSockets.bound(SOCK_STREAM, ipv4: ipv4)
        listen(listener.descriptor, 1)
        let client = HostSockets.open(SOCK_STREAM, ipv4: ipv4)
        _ = ringway_set_option(client, Self.level(ipv4), ipv4 ? IP_TOS : IPV6_TCLASS, trafficClass)
        #expect(HostSockets.connect(client, to: listener.address) == 0)
        let accepted = accept(listener.descriptor, nil, nil)
        #expect(ConnectManner.trafficClass(ofClient: accepted, ipv4: ipv4) == UInt8(trafficClass))
        for descriptor in [listener.descriptor, client, accepted] { close(descriptor) }
    }
}
