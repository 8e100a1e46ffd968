import CRingway
import Glibc
import RingwayModel
import Testing

@testable import RingwayEngine

/// A socket's path MTU and errors, and the ICMP errors for clients of a closed port.
@Suite("The way of datagrams", .tags(.kernel))
struct DatagramPathTests {
    @Test(arguments: [true, false])
    func `a path has the MTU of its device`(ipv4: Bool) throws {
        let target = TransportAddress(address: HostSockets.loopback(ipv4), port: 9)
        // The loopback's 65,536, of which IPv4's length field can say one less.
        let mtu: UInt32 = ipv4 ? 65_535 : 65_536
        #expect(PathMTU.toward(target) == mtu)
        #expect(PathMTU.toward(target, from: HostSockets.loopback(ipv4)) == mtu)
    }

    @Test(arguments: [true, false])
    func `a socket refuses what does not fit only while it is told to`(ipv4: Bool) {
        let socket = DatagramSocket.openUDP(ipv4: ipv4)
        defer { close(socket) }
        let (level, name) =
            ipv4 ? (Int32(IPPROTO_IP), IP_MTU_DISCOVER) : (Int32(IPPROTO_IPV6), IPV6_MTU_DISCOVER)
        var setting = FragmentationSetting()
        #expect(!setting.forbids)
        setting.set(true, on: socket, ipv4: ipv4)
        #expect(setting.forbids && HostSockets.option(socket, level, name) == IP_PMTUDISC_DO)
        setting.set(false, on: socket, ipv4: ipv4)
        #expect(!setting.forbids && HostSockets.option(socket, level, name) == IP_PMTUDISC_WANT)
    }

    @Test(
        "a client of a port that is held and closed is refused", .enabled(if: geteuid() == 0), arguments: [true, false])
    func refuses(ipv4: Bool) throws {
        let port = HostSockets.bound(SOCK_DGRAM, ipv4: ipv4)
        defer { close(port.descriptor) }
        let client = HostSockets.connected(SOCK_DGRAM, to: port.address)
        defer { close(client) }
        var refusals = RefusalSocket()
        let name = try #require(SocketAddress.local(of: client))
        let isSent = refusals.send(to: name, about: port.address)
        #expect(isSent)
        #expect(HostSockets.waitReadable(client))
        #expect(HostSockets.receive(client).errno == ECONNREFUSED)
        // Another client is not affected.
        let other = HostSockets.connected(SOCK_DGRAM, to: port.address)
        defer { close(other) }
        let isSentAgain = refusals.send(to: name, about: port.address)
        #expect(isSentAgain)
        #expect(HostSockets.receive(other).errno == EAGAIN)
    }

    @Test func `a client of one family is not refused in the other's name`() {
        var refusals = RefusalSocket()
        let client = TransportAddress(address: HostSockets.loopbackIPv4, port: 9)
        let isSent = refusals.send(
            to: client, about: TransportAddress(address: HostSockets.loopback(false), port: 9))
        #expect(!isSent)
    }
}
