import CRingway
import Glibc
import RingwayEngine
import RingwayWire
import Testing
@Suite struct TemporaryTests {
    @Test func lingering() throws {
        for _ in 0..<5 {
            let guest = try GuestPort(shards: 2)
            let twin = try GuestPort(shards: 2)
            let port = HostEnd(SOCK_STREAM).port
            let address = IPAddress(IPv4Address(127, 0, 0, 1))
            let target = TransportAddress(address: IPAddress(GuestPort.guest), port: 80)
            try guest.engine.listen(address: address, port: port, guest: target, forward: 1)
            usleep(50_000)
            guest.engine.stop()
            let start = ringway_monotonic_nanoseconds()
            var tries = 0
            while (try? twin.engine.listen(address: address, port: port, guest: target, forward: 2)) == nil, tries < 2000 { tries += 1; usleep(1_000) }
            print("LINGER", tries, (ringway_monotonic_nanoseconds() - start) / 1000, "us")
            twin.engine.stop()
        }
    }
}
