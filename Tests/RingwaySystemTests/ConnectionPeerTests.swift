import Glibc
import RingwaySystem
import Testing

@Suite("Peers of connections") struct ConnectionPeerTests {
    private static func peer(_ user: UInt32, _ process: Int32) -> ConnectionPeer {
        ConnectionPeer(party: .user(user), process: process)
    }

    @Test func `the excess is the oldest connection of the process that has most`() {
        let peers = [Self.peer(0, 1), Self.peer(0, 2), Self.peer(0, 2), Self.peer(0, 3)]
        #expect(ConnectionPeer.excess(among: peers) == 1)
        #expect(ConnectionPeer.excess(among: []) == nil)
    }

    @Test func `a user with many processes does not push another user out`() {
        let flood = (10..<20).map { Self.peer(1_000, $0) }
        let machine = [Self.peer(0, 1), Self.peer(0, 1)]
        #expect(ConnectionPeer.excess(among: machine + flood) == 2)
    }

    @Test func `of those with as many the one goes that came first`() {
        let peers = [ConnectionPeer(party: .machine(3)), ConnectionPeer(party: .machine(4))]
        #expect(ConnectionPeer.excess(among: peers) == 0)
    }

    @Test func `the kernel names the user of a unix socket only`() {
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { for descriptor in ends + [datagrams] { close(descriptor) } }
        #expect(ConnectionPeer(ends[0]) == Self.peer(geteuid(), getpid()))
        #expect(ConnectionPeer(datagrams).party == .unknown)
    }
}
