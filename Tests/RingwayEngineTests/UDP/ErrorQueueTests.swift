import CRingway
import Glibc
import RingwayWire
import Testing

@testable import RingwayEngine

@Suite("Error queue", .tags(.kernel))
struct ErrorQueueTests {
    private static func errors(of descriptor: Int32) -> [(error: DatagramError, payload: [UInt8])] {
        var all: [(error: DatagramError, payload: [UInt8])] = []
        while all.count < 64, ErrorQueue.next(of: descriptor, { all.append(($0, Array($1))) }) {}
        return all
    }

    @Test func `is empty on a socket that has sent nothing`() {
        let socket = DatagramSocket.openUDP(ipv4: true)
        defer { close(socket) }
        #expect(Self.errors(of: socket).isEmpty)
        #expect(Self.errors(of: -1).isEmpty)
    }

    @Test(arguments: [true, false])
    func `tells that a datagram's port was closed`(ipv4: Bool) throws {
        let socket = DatagramSocket.openUDP(ipv4: ipv4)
        defer { close(socket) }
        let target = TransportAddress(address: HostSockets.loopback(ipv4), port: HostSockets.freePort())
        #expect(ControlMessageTests.send([1, 2, 3, 4], from: socket, to: target) == 4)
        #expect(HostSockets.waitReadable(socket), "an error wakes who polls")
        let (error, payload) = try #require(Self.errors(of: socket).first)
        #expect(error.origin == .icmp)
        #expect(error.errno == ECONNREFUSED)
        // Port unreachable: RFC 792, and RFC 4443 §3.1.
        #expect(error.type == (ipv4 ? 3 : 1))
        #expect(error.code == (ipv4 ? 3 : 4))
        #expect(error.destination == target)
        #expect(error.offender == HostSockets.loopback(ipv4))
        #expect(payload == [1, 2, 3, 4])
        #expect(Self.errors(of: socket).isEmpty)
    }

    @Test func `keeps the errors of several datagrams apart and in order`() throws {
        let socket = DatagramSocket.openUDP(ipv4: true)
        defer { close(socket) }
        var targets: [TransportAddress] = []
        for byte in UInt8(0)..<4 {
            let target = TransportAddress(address: HostSockets.loopbackIPv4, port: HostSockets.freePort())
            // A send may report the error of the one before in place of going out.
            if ControlMessageTests.send([byte], from: socket, to: target) < 0 {
                #expect(ControlMessageTests.send([byte], from: socket, to: target) == 1)
            }
            targets.append(target)
        }
        let errors = Self.errors(of: socket)
        #expect(errors.map(\.error.destination) == targets)
        #expect(errors.map(\.payload) == [[0], [1], [2], [3]])
    }

    @Test func `leaves a socket usable`() throws {
        let socket = DatagramSocket.openUDP(ipv4: true)
        let receiver = HostSockets.bound(SOCK_DGRAM)
        defer {
            close(socket)
            close(receiver.descriptor)
        }
        let closed = TransportAddress(address: HostSockets.loopbackIPv4, port: HostSockets.freePort())
        #expect(ControlMessageTests.send([1], from: socket, to: closed) == 1)
        #expect(HostSockets.waitReadable(socket))
        #expect(Self.errors(of: socket).count == 1)
        if ControlMessageTests.send([2], from: socket, to: receiver.address) < 0 {
            #expect(ControlMessageTests.send([2], from: socket, to: receiver.address) == 1)
        }
        #expect(HostSockets.receive(receiver.descriptor).bytes == [2])
    }
}
