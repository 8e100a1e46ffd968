import CRingway
import Glibc
import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayEngine

@Suite("Send message")
struct SendMessageTests {
    private static func message() -> UnsafeMutablePointer<SendMessage> {
        let message = UnsafeMutablePointer<SendMessage>.allocate(capacity: 1)
        message.initialize(to: SendMessage())
        return message
    }

    @Test func `points into itself once it is sealed`() {
        let message = Self.message()
        defer { message.deallocate() }
        message.pointee.address.set(TransportAddress(address: HostSockets.loopbackIPv6, port: 7))
        let header = SendMessage.seal(message, address: true, controlLength: 24)
        let base = UnsafeMutableRawPointer(message)
        let inside = base..<base + MemoryLayout<SendMessage>.size
        #expect(UnsafeMutableRawPointer(header) == base)
        #expect(inside.contains(UnsafeMutableRawPointer(header.pointee.msg_iov)))
        #expect(inside.contains(header.pointee.msg_name))
        #expect(inside.contains(header.pointee.msg_control))
        #expect(header.pointee.msg_control == SendMessage.control(of: message))
        #expect(header.pointee.msg_controllen == 24)
        #expect(header.pointee.msg_namelen == 28)
        #expect(SocketAddress.read(header.pointee.msg_name, length: 28)?.port == 7)
    }

    @Test func `says nothing of an address or control data that it lacks`() {
        let message = Self.message()
        defer { message.deallocate() }
        let header = SendMessage.seal(message, address: false, controlLength: 0)
        #expect(header.pointee.msg_name == nil && header.pointee.msg_namelen == 0)
        #expect(header.pointee.msg_control == nil && header.pointee.msg_controllen == 0)
    }

    @Test func `keeps control data, address and slices apart`() {
        let message = Self.message()
        defer { message.deallocate() }
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: 53)
        message.pointee.address.set(target)
        for _ in 0..<SendMessage.sliceLimit { message.pointee.append(UnsafeMutableRawPointer(message), 5, .none) }
        SendMessage.control(of: message).initializeMemory(
            as: UInt8.self, repeating: 0xEE, count: SendMessage.controlLimit)
        let header = SendMessage.seal(message, address: true, controlLength: SendMessage.controlLimit)
        #expect(SocketAddress.read(header.pointee.msg_name, length: header.pointee.msg_namelen) == target)
        #expect(header.pointee.msg_iovlen == 16)
        for index in 0..<16 {
            #expect(header.pointee.msg_iov[index].iov_len == 5)
            #expect(message.pointee.leases[index].isNone)
        }
        #expect(message.pointee.count == 16)
    }

    @Test func `remembers the lease of each slice`() {
        let message = Self.message()
        defer { message.deallocate() }
        for slot in UInt32(0)..<4 { message.pointee.append(message, Int(slot), Lease(rawValue: slot)) }
        #expect((0..<4).map { message.pointee.leases[$0].rawValue } == [0, 1, 2, 3])
        #expect(message.pointee.leases[4].isNone)
    }

    @Test(.tags(.kernel))
    func `sends all its slices as one`() throws {
        let pair = try #require(Endpoint.pair(type: Int32(SOCK_SEQPACKET.rawValue)))
        defer {
            close(pair.own)
            close(pair.other)
        }
        let message = Self.message()
        defer { message.deallocate() }
        var bytes = Array(UInt8(0)..<160)
        bytes.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            // Last tenth first, so that it is the slices that count and not the memory.
            for slice in 0..<16 { message.pointee.append(base + (15 - slice) * 10, 10, .none) }
            #expect(sendmsg(pair.own, SendMessage.seal(message, address: false, controlLength: 0), 0) == 160)
        }
        let expected = (0..<16).flatMap { slice in (0..<10).map { UInt8((15 - slice) * 10 + $0) } }
        #expect(HostSockets.receive(pair.other).bytes == expected)
    }

    @Test func `traps when control data was written beyond its room`() async {
        await #expect(processExitsWith: .failure) {
            let message = Self.message()
            _ = SendMessage.seal(message, address: false, controlLength: SendMessage.controlLimit + 8)
        }
    }
}
