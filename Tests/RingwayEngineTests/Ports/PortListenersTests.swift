import CRingway
import Glibc
import RingwayModel
import RingwayReactor
import RingwayRing
import RingwayStorage
import Testing

@testable import RingwayEngine

/// The listeners of published ports alone.
@Suite("Port listeners", .tags(.kernel))
struct PortListenersTests {
    private static let guest = TransportAddress(address: IPAddress(GuestPort.guest), port: 80)
    private static let loopback = IPAddress(IPv4Address(127, 0, 0, 1))

    /// A listening socket and its address.
    private static func listener() throws -> (descriptor: Int32, address: TransportAddress) {
        let descriptor = try Listener.stream(address: loopback, port: 0)
        return (descriptor, try #require(SocketAddress.local(of: descriptor)))
    }

    @Test(arguments: BackEnd.here)
    func `returns an accepted client with its address and where it is to go`(_ backEnd: BackEnd) throws {
        let bench = try ComponentBench(backEnd)
        var ports = try PortListeners(shared: bench.shared, counters: bench.counters)
        let (descriptor, address) = try Self.listener()
        defer { close(descriptor) }
        ports.add(
            ListeningSocket(descriptor: descriptor, forward: 1, guest: Self.guest, isStream: true), &bench.core,
            &bench.stack)
        for _ in 0..<2 {
            let peer = HostSockets.connected(SOCK_STREAM, to: address)
            let completion = try #require(bench.completion())
            #expect(completion.tag.owner == .ports)
            let accepted = ports.complete(completion, &bench.core, &bench.stack)
            let client = try #require(accepted)
            #expect(client.guest == Self.guest)
            #expect(client.address == SocketAddress.local(of: peer))
            #expect(bench.shared.descriptors.held == 1)
            bench.shared.turnAway(client)
            #expect(HostSockets.receive(peer).errno == ECONNRESET)
            #expect(bench.shared.descriptors.held == 0)
            close(peer)
        }
    }

    @Test(arguments: BackEnd.here)
    func `arms receives that found no buffer again, so many at a time, and none that has ended`(
        _ backEnd: BackEnd
    ) throws {
        let bench = try ComponentBench(backEnd)
        var ports = try PortListeners(shared: bench.shared, counters: bench.counters)
        let sockets = (0..<5).map { _ in HostSockets.bound(SOCK_DGRAM).descriptor }
        defer { for socket in sockets { close(socket) } }
        for (number, socket) in sockets.enumerated() {
            let guest = TransportAddress(address: IPAddress(GuestPort.guest), port: UInt16(1_000 + number))
            ports.add(
                ListeningSocket(descriptor: socket, forward: UInt32(number), guest: guest, isStream: false),
                &bench.core, &bench.stack)
        }
        // The first entries of the table.
        for slot in 0..<UInt32(sockets.count) {
            let tag = PortListeners.Operation.receive.tag(Handle(slot: slot, generation: 1))
            let client = ports.complete(
                Completion(tag: tag, result: -ENOBUFS, flags: 0), &bench.core, &bench.stack)
            #expect(client == nil)
        }
        let before = bench.core.reactor.ring.submissions
        ports.retryStarved(upTo: 2, &bench.core)
        let armed = bench.core.reactor.ring.submissions - before
        #expect(armed == 2)
        let left = ports.end(of: [3], from: 0, &bench.core, &bench.stack)
        #expect(left == nil)
        let waits = ports.waitsForBuffers
        #expect(waits)
        ports.retryStarved(upTo: 10, &bench.core)
        let armedInAll = bench.core.reactor.ring.submissions - before
        #expect(armedInAll == 4)
        let waitsStill = ports.waitsForBuffers
        #expect(!waitsStill)
    }

    @Test(arguments: BackEnd.here)
    func `does not repeat an accept that can only fail again, and gives the socket back`(_ backEnd: BackEnd) throws {
        let bench = try ComponentBench(backEnd)
        var ports = try PortListeners(shared: bench.shared, counters: bench.counters)
        let (descriptor, _) = try Self.listener()
        defer { close(descriptor) }
        ports.add(
            ListeningSocket(descriptor: descriptor, forward: 1, guest: Self.guest, isStream: true), &bench.core,
            &bench.stack)
        let before = bench.core.reactor.ring.submissions
        // The first entry of the table.
        let tag = PortListeners.Operation.accept.tag(Handle(slot: 0, generation: 1))
        let client = ports.complete(Completion(tag: tag, result: -EINVAL, flags: 0), &bench.core, &bench.stack)
        #expect(client == nil)
        let armed = bench.core.reactor.ring.submissions - before
        #expect(armed == 0)
        let isDeferred = ports.hasDeferredAccepts
        #expect(!isDeferred)
        #expect(bench.counters.read(.forwardsRefused) == 1)
        let left = ports.end(of: [1], from: 0, &bench.core, &bench.stack)
        #expect(left == nil)
        let reply = ShardReply(count: 1)
        ports.awaitEnds(reply)
        #expect(reply.wait(milliseconds: 0))
    }

    @Test(arguments: BackEnd.here)
    func `pauses an accept for which the kernel lacks memory`(_ backEnd: BackEnd) throws {
        let bench = try ComponentBench(backEnd)
        var ports = try PortListeners(shared: bench.shared, counters: bench.counters)
        let (descriptor, _) = try Self.listener()
        defer { close(descriptor) }
        ports.add(
            ListeningSocket(descriptor: descriptor, forward: 1, guest: Self.guest, isStream: true), &bench.core,
            &bench.stack)
        let before = bench.core.reactor.ring.submissions
        let tag = PortListeners.Operation.accept.tag(Handle(slot: 0, generation: 1))
        let client = ports.complete(Completion(tag: tag, result: -ENOMEM, flags: 0), &bench.core, &bench.stack)
        #expect(client == nil)
        let armed = bench.core.reactor.ring.submissions - before
        #expect(armed == 0)
        let isDeferred = ports.hasDeferredAccepts
        #expect(isDeferred)
        ports.retryDeferred(&bench.core)
        let armedAgain = bench.core.reactor.ring.submissions - before
        #expect(armedAgain == 1)
    }

    @Test(arguments: BackEnd.here)
    func `replies to the end of a forward when the kernel has given its socket back`(_ backEnd: BackEnd) throws {
        let bench = try ComponentBench(backEnd)
        var ports = try PortListeners(shared: bench.shared, counters: bench.counters)
        let (descriptor, address) = try Self.listener()
        ports.add(
            ListeningSocket(descriptor: descriptor, forward: 7, guest: Self.guest, isStream: true), &bench.core,
            &bench.stack)
        let othersLeft = ports.end(of: [8], from: 0, &bench.core, &bench.stack)
        #expect(othersLeft == nil)
        let others = ShardReply(count: 1)
        ports.awaitEnds(others)
        #expect(others.wait(milliseconds: 0), "of that forward there are no listeners")
        let left = ports.end(of: [7], from: 0, &bench.core, &bench.stack)
        #expect(left == nil)
        let reply = ShardReply(count: 1)
        ports.awaitEnds(reply)
        #expect(!reply.wait(milliseconds: 0))
        while !reply.wait(milliseconds: 0), let completion = bench.completion() {
            // The cancellation itself completes, too, and belongs to no component.
            guard completion.tag.owner == .ports else { continue }
            let client = ports.complete(completion, &bench.core, &bench.stack)
            #expect(client == nil)
        }
        #expect(reply.wait(milliseconds: 0))
        close(descriptor)
        // The port is free again.
        let again = try Listener.stream(address: Self.loopback, port: address.port)
        close(again)
    }
}
