import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("Echo replies")
struct PingFilteringTests {
    let net: StackUnderTest

    init() throws { net = try StackUnderTest() }

    private func ping(_ target: IPv4Address) throws -> Handle {
        let frame = GuestFrame.icmpv4(type: ICMPv4Header.echoRequest, to: target, [1, 2, 3, 4])
        net.receive([UInt8](repeating: 0, count: VirtioNetHeader.length) + frame.bytes)
        let effect = try #require(net.expectEffect(.sendEcho))
        net.pool.pointee.release(effect.lease)
        return effect.handle
    }

    /// Whether an echo reply from `sender` reaches the guest.
    private func passes(_ sender: IPv4Address, to ping: Handle) -> Bool {
        let reply: [UInt8] = [0, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4]
        let lease = net.buffer(reply)
        net.frames = []
        net.turn {
            $0.echoReceived(
                ping, from: IPAddress(sender), lease, offset: Stack.headroom, length: reply.count, hopLimit: 64)
        }
        return net.frames.count == 1
    }

    @Test func `come in from where the guest has pinged, and from nowhere else`() throws {
        let handle = try ping(IPv4Address(8, 8, 8, 8))
        #expect(passes(IPv4Address(8, 8, 8, 8), to: handle))
        #expect(!passes(IPv4Address(9, 9, 9, 9), to: handle))
        #expect(net.counters.read(.droppedUnsolicited) == 1)
        // One identifier may ping many hosts.
        for host in 1...12 { #expect(try ping(IPv4Address(203, 0, 113, UInt8(host))) == handle) }
        for host in 1...12 { #expect(passes(IPv4Address(203, 0, 113, UInt8(host)), to: handle)) }
        #expect(passes(IPv4Address(8, 8, 8, 8), to: handle))
    }

    @Test func `prolong no mapping, and where it has sent to ends with it`() throws {
        let handle = try ping(IPv4Address(8, 8, 8, 8))
        _ = try ping(IPv4Address(8, 8, 4, 4))
        for _ in 0..<5 {
            net.advance(by: 11 * StackUnderTest.second)
            #expect(passes(IPv4Address(8, 8, 8, 8), to: handle))
        }
        net.advance(by: 6 * StackUnderTest.second)
        net.expectEffect(.closeEcho)
        net.frames = []
        net.expectNothingHeld()
    }

    @Test func `that are errors of the host's loopback come from the host's address in the network`() throws {
        let handle = try ping(net.plan.hostIPv4)
        let request: [UInt8] = [8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4]
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        net.turn { stack in
            request.withUnsafeBytes {
                stack.pingFailed(
                    handle, to: loopback, .reported(type: 3, code: 10, parameter: 0), from: loopback, message: $0)
            }
        }
        let packet = try #require(net.frames.first).dropFirst(12 + 14)
        #expect(Array(packet.dropFirst(12).prefix(4)) == [192, 168, 127, 254])
    }

    @Test func `of a ping without a socket do not come, and the next request tries again`() throws {
        let request: [UInt8] = [8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4]
        let first = try ping(IPv4Address(8, 8, 8, 8))
        let lease = net.buffer(request)
        net.turn {
            $0.pingRefused(
                first, to: IPAddress(IPv4Address(8, 8, 8, 8)), lease, offset: Stack.headroom, length: request.count)
        }
        #expect(net.frames.count == 1, "the guest is told")
        net.expectEffect(.closeEcho)
        net.frames = []
        let second = try ping(IPv4Address(8, 8, 8, 8))
        #expect(second != first)
        #expect(!passes(IPv4Address(8, 8, 8, 8), to: first) && passes(IPv4Address(8, 8, 8, 8), to: second))
    }
}
