import CRingway
import Glibc
import RingwayTap
import Testing

@testable import RingwayCommand

/// Both ends are in this process, which is equivalent to two.
@Suite("Handing an interface over")
struct TapHandoverTests {

    @Test func `carries descriptors and offloads across`() throws {
        let pair = try TapHandover.pair()
        let queues = [dup(2), dup(2)]
        try pair.guest.send(queues: queues, offloads: .basic)
        for queue in queues { close(queue) }
        guard case .queues(let received, let offloads) = pair.bridge.awaitOffer() else {
            Issue.record("no queues came")
            return
        }
        #expect(offloads == .basic)
        #expect(received.count == 2)
        for descriptor in received {
            #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
            close(descriptor)
        }
    }

    @Test func `carries the reason of a failure, even a long one`() throws {
        let pair = try TapHandover.pair()
        pair.guest.send(GuestFailure(String(repeating: "é", count: 5000)))
        guard case .failure(let message) = pair.bridge.awaitOffer() else {
            Issue.record("no failure came")
            return
        }
        #expect(message.count <= 1024 && message.hasPrefix("éé"))
    }

    @Test func `takes the closing of the other end for silence`() throws {
        let pair = try TapHandover.pair()
        let bridge = pair.keepBridge()
        let offer = bridge.awaitOffer()
        #expect(offer == .silence)
        let other = try TapHandover.pair()
        let guest = other.keepGuest()
        let mayGo = guest.awaitGo()
        #expect(!mayGo)
    }

    @Test func `releases the guest`() throws {
        let pair = try TapHandover.pair()
        pair.guest.sendConfigured("but")
        let offer = pair.bridge.awaitOffer()
        #expect(offer == .configured("but"))
        pair.bridge.sendGo()
        let mayGo = pair.guest.awaitGo()
        #expect(mayGo)
    }
}
