import CRingway
import Glibc
import Testing

@testable import RingwayEngine

/// A shard's stock of sockets; the test is the process in the guest.
@Suite("Supplies of sockets", .tags(.kernel))
struct SocketSupplyTests {
    /// Both ends of a line: the supply's and the maker's.
    private static func line() throws -> (supply: Int32, maker: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(ringway_message_pair(&ends) == 0)
        return (ends[0], ends[1])
    }

    private static func request(_ maker: Int32) -> (family: UInt8, count: UInt8)? {
        var bytes: (family: UInt8, count: UInt8) = (0, 0)
        return recv(maker, &bytes, 2, Int32(MSG_DONTWAIT)) == 2 ? bytes : nil
    }

    private static func answer(_ maker: Int32, family: UInt8, count: Int) {
        var family = family
        let sockets = (0..<count).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        _ = ringway_send_message(maker, &family, 1, sockets, sockets.count)
        for socket in sockets { close(socket) }
    }

    @Test func `ask for as many as wait and some more`() throws {
        let (line, maker) = try Self.line()
        var supply = SocketSupply(line: line)
        let isWatched = supply.refill(ipv4: false, waiting: 3)
        #expect(isWatched)
        let request = try #require(Self.request(maker))
        #expect(request.family == 6 && request.count == 19)
        supply.close()
        close(maker)
    }

    @Test func `ask once until they are answered`() throws {
        let (line, maker) = try Self.line()
        var supply = SocketSupply(line: line)
        _ = supply.refill(ipv4: true, waiting: 1)
        _ = Self.request(maker)
        let isWatchedAgain = supply.refill(ipv4: true, waiting: 2)
        #expect(!isWatchedAgain)
        #expect(Self.request(maker) == nil)
        Self.answer(maker, family: 4, count: 2)
        supply.receive()
        let isAsked = supply.isAsked
        #expect(!isAsked)
        let isWatchedLater = supply.refill(ipv4: true, waiting: 0)
        #expect(isWatchedLater)
        supply.close()
        close(maker)
    }

    @Test func `give what came, and then nothing`() throws {
        let (line, maker) = try Self.line()
        var supply = SocketSupply(line: line)
        _ = supply.refill(ipv4: true, waiting: 0)
        Self.answer(maker, family: 4, count: 2)
        supply.receive()
        let sockets = [supply.take(ipv4: true), supply.take(ipv4: true), supply.take(ipv4: true)]
        #expect(sockets[0] != nil && sockets[1] != nil && sockets[2] == nil)
        for socket in sockets { if let socket { close(socket) } }
        supply.close()
        close(maker)
    }

    @Test func `are content with an empty answer`() throws {
        let (line, maker) = try Self.line()
        var supply = SocketSupply(line: line)
        _ = supply.refill(ipv4: false, waiting: 1)
        Self.answer(maker, family: 6, count: 0)
        supply.receive()
        let (isOpen, isAsked) = (supply.isOpen, supply.isAsked)
        #expect(isOpen && !isAsked)
        let socket = supply.take(ipv4: false)
        #expect(socket == nil)
        supply.close()
        close(maker)
    }

    @Test func `end with their maker`() throws {
        let (line, maker) = try Self.line()
        var supply = SocketSupply(line: line)
        _ = supply.refill(ipv4: true, waiting: 0)
        close(maker)
        supply.receive()
        let (isOpen, isAsked) = (supply.isOpen, supply.isAsked)
        #expect(!isOpen && !isAsked)
    }
}
