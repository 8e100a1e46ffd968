import CRingway
import Glibc
import Testing

@testable import RingwayEngine

@Suite("The kernel's state of a far end", .tags(.kernel))
struct PeerInspectionTests {
    /// A connection over the loopback: the socket under test, non-blocking, and its peer.
    private static func connection(ipv4: Bool) -> (own: Int32, peer: Int32) {
        let listener = HostSockets.bound(SOCK_STREAM, ipv4: ipv4)
        listen(listener.descriptor, 1)
        let own = HostSockets.open(SOCK_STREAM, ipv4: ipv4)
        precondition(HostSockets.connect(own, to: listener.address) == 0)
        _ = fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK)
        StreamSocket.prepare(own)
        let peer = accept(listener.descriptor, nil, nil)
        close(listener.descriptor)
        return (own, peer)
    }

    @Test(arguments: [true, false])
    func `a far end has what its kernel has acknowledged`(_ ipv4: Bool) {
        let (own, peer) = Self.connection(ipv4: ipv4)
        var inspection = PeerInspection()
        HostSockets.send([1, 2, 3], to: own)
        var report = inspection.inspect(own, solicits: false, beyond: .max)
        for _ in 0..<400 where !report.isDelivered {
            usleep(5_000)
            report = inspection.inspect(own, solicits: false, beyond: .max)
        }
        #expect(report.isDelivered && !report.isUnderWay && !report.isRepeating)
        #expect(report.silence < 5_000_000_000)
        #expect(report.timeout >= 100_000_000 && report.timeout < 10_000_000_000)
        // The peer does not read: data beyond both kernels' buffers is not delivered.
        var noise = [UInt8](repeating: 7, count: 65_536)
        while send(own, &noise, noise.count, Int32(MSG_NOSIGNAL)) > 0 {}
        #expect(!inspection.inspect(own, solicits: false, beyond: .max).isDelivered)
        close(own)
        close(peer)
    }

    @Test(arguments: [true, false])
    func `a silent far end is probed at once, and then at the kernel's own time again`(_ ipv4: Bool) {
        let (own, peer) = Self.connection(ipv4: ipv4)
        let idle = { HostSockets.option(own, Int32(IPPROTO_TCP), TCP_KEEPIDLE) }
        let count = { HostSockets.option(own, Int32(IPPROTO_TCP), TCP_KEEPCNT) }
        let (usual, usualCount) = (idle(), count())
        var inspection = PeerInspection()
        _ = inspection.inspect(own, solicits: false, beyond: 0)
        #expect(idle() == usual)
        for _ in 0..<3 { _ = inspection.inspect(own, solicits: true, beyond: 0) }
        #expect(idle() == 1)
        #expect(count() == 127)
        _ = inspection.inspect(own, solicits: false, beyond: .max)
        #expect(idle() == usual)
        #expect(count() == usualCount)
        close(own)
        close(peer)
    }

    @Test func `a socket of another kind is always there`() throws {
        let pair = try #require(Endpoint.pair(type: Int32(SOCK_STREAM.rawValue)))
        var inspection = PeerInspection()
        let report = inspection.inspect(pair.own, solicits: true, beyond: 0)
        #expect(report.isDelivered && report.silence == 0)
        close(pair.own)
        close(pair.other)
    }
}
