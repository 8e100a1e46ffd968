import Glibc
import RingwayModel
import RingwaySystem
import Testing

@Suite("Addresses of sockets")
struct SocketAddressTests {
    private static let loopbacks = [
        IPAddress(IPv4Address(127, 0, 0, 1)), IPAddress(high: 0, low: 1),
    ]

    @Test(arguments: loopbacks)
    func `bind, connect and come back from the kernel`(address: IPAddress) throws {
        let family = SocketAddress.family(of: address)
        let kind = Int32(SOCK_STREAM.rawValue)
        guard let listener = OwnedDescriptor(result: socket(family, kind, 0)) else { return }
        let any = TransportAddress(address: address, port: 0)
        // A machine may have no IPv6.
        guard SocketAddress.bind(listener.rawValue, to: any) == 0 else { return }
        try #require(listen(listener.rawValue, 1) == 0)
        let local = try #require(SocketAddress.local(of: listener.rawValue))
        #expect(local.address == address && local.port != 0)
        guard let client = OwnedDescriptor(result: socket(family, kind, 0)) else { return }
        #expect(SocketAddress.connect(client.rawValue, to: local) == 0)
        #expect(SocketAddress.peer(of: client.rawValue) == local)
    }

    @Test func `are none of a unix socket's`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let one = OwnedDescriptor(adopting: ends[0])
        let other = OwnedDescriptor(adopting: ends[1])
        #expect(SocketAddress.peer(of: one.rawValue) == nil)
        #expect(SocketAddress.local(of: other.rawValue) == nil)
    }
}
