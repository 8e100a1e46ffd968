import CRingway
import Glibc
import Ringway
import Testing

@testable import RingwayCommand
@testable import RingwayTap

@Suite("The choice of the guests' network")
struct NetworkChoiceTests {
    private static func block(_ text: String) throws -> CIDRBlock { try #require(CIDRBlock(text)) }

    private static func choice(_ routes: [(String, String)]) throws -> NetworkChoice {
        NetworkChoice(try routes.map { HostRoute(try block($0.0), interface: $0.1) })
    }

    private static let standard = OptionValue.standardNetwork

    @Test func `is the standard network where nothing is in the way`() throws {
        let choice = try Self.choice([("192.168.1.0/24", "eth0"), ("10.0.0.0/8", "vpn")])
        #expect(choice.settle(Self.standard, isChosen: false) == (Self.standard, nil))
    }

    @Test func `is the next free one, which is reported`() throws {
        let choice = try Self.choice([
            ("192.168.127.0/24", "eth0"), ("192.168.127.7/32", "eth0"), ("192.168.128.0/22", "vpn"),
        ])
        let (network, notice) = choice.settle(Self.standard, isChosen: false)
        #expect(network.description == "192.168.132.0/24")
        #expect(
            notice == "192.168.127.0/24 is this host's 192.168.127.0/24 on eth0 too; guests get 192.168.132.0/24, or "
                + "what --network says")
    }

    @Test func `goes on in the second range, and stays where all is taken`() throws {
        let routed = try Self.choice([("192.168.0.0/16", "vpn"), ("10.127.127.1/32", "wg0")])
        #expect(routed.settle(Self.standard, isChosen: false).network.description == "10.127.128.0/24")
        let full = try Self.choice([("192.168.0.0/16", "vpn"), ("10.0.0.0/8", "vpn")])
        let (network, notice) = full.settle(Self.standard, isChosen: false)
        #expect(network == Self.standard)
        #expect(notice?.hasSuffix("on vpn too: guests cannot reach what is there; --network chooses another") == true)
    }

    @Test func `is the user's choice, with a warning about hidden routes`() throws {
        let choice = try Self.choice([("10.1.2.0/24", "eth0")])
        let (network, notice) = choice.settle(try Self.block("10.1.0.0/16"), isChosen: true)
        #expect(network.description == "10.1.0.0/16")
        #expect(
            notice
                == "10.1.0.0/16 is this host's 10.1.2.0/24 on eth0 too: guests cannot reach what is there; --network "
                + "chooses another")
    }

    @Test func `is that of an earlier run where it is free`() throws {
        let former = try Self.block("192.168.130.0/24")
        #expect(try Self.choice([]).settle(Self.standard, isChosen: false, former: former).network == former)
        let taken = try Self.choice([("192.168.130.0/24", "eth0")])
        #expect(taken.settle(Self.standard, isChosen: false, former: former).network == Self.standard)
        #expect(try Self.choice([]).settle(Self.standard, isChosen: true, former: former).network == Self.standard)
    }

    @Test func `is reported by the doctor`() throws {
        let free = try Self.choice([])
        #expect(Examination.guestNetwork(free).isPresent)
        let finding = Examination.guestNetwork(try Self.choice([("192.168.127.128/25", "eth0")]))
        #expect(finding.detail == "192.168.127.0/24 is this host's 192.168.127.128/25 on eth0 too")
        #expect(finding.cost.hasPrefix("guests get 192.168.128.0/24 instead"))
    }

    @Test func `reads routes as the kernel lists them`() throws {
        func message(_ body: [UInt8], type: UInt16 = 24) -> [UInt8] {
            let length = UInt8(16 + body.count)
            return [length, 0, 0, 0, UInt8(type), 0, 2, 0] + [UInt8](repeating: 0, count: 8) + body
        }
        // rtmsg: family, bits of the destination, of the source, TOS, table, protocol, scope, type, flags.
        func route(_ bits: UInt8, type: UInt8, _ destination: [UInt8], interface: UInt8) -> [UInt8] {
            message(
                [2, bits, 0, 0, 254, 2, 0, type, 0, 0, 0, 0] + [8, 0, 1, 0] + destination
                    + [8, 0, 4, 0, interface, 0, 0, 0])
        }
        // Two next hops: length, flags, weight, interface.
        let hops: [UInt8] = [20, 0, 9, 0, 8, 0, 0, 0, 201, 0, 0, 0, 8, 0, 0, 0, 202, 0, 0, 0]
        let multipath: [UInt8] = [2, 16, 0, 0, 254, 2, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 172, 20, 0, 0] + hops
        let datagram =
            route(24, type: 1, [192, 168, 127, 0], interface: 1)  // Unicast on the loopback: left out.
            + route(32, type: 2, [10, 1, 2, 3], interface: 1)
            + route(1, type: 1, [128, 0, 0, 0], interface: 200)
            + route(16, type: 1, [172, 16, 0, 0], interface: 200)
            + message(multipath)
        var routes: [HostRoute] = []
        let isOver = datagram.withUnsafeBytes { HostRoute.read($0, into: &routes) }
        #expect(!isOver)
        #expect(routes.map(\.block.description) == ["10.1.2.3/32", "172.16.0.0/16", "172.20.0.0/16"])
        #expect(routes.last?.interface == "interface 201")
        let end = message([0, 0, 0, 0], type: 3)
        #expect(end.withUnsafeBytes { HostRoute.read($0, into: &routes) })
        // Truncated anywhere, it must neither trap nor be read beyond its end.
        for count in 0..<datagram.count {
            var some: [HostRoute] = []
            _ = Array(datagram[..<count]).withUnsafeBytes { HostRoute.read($0, into: &some) }
            #expect(some.count <= 3)
        }
    }

    @Test func `finds the loopback's and default routes nowhere`() {
        let routes = HostRoute.all(ipv4: true)
        #expect(routes.allSatisfy { $0.block.prefixLength >= 8 && !$0.block.address.isLoopback })
    }
}
