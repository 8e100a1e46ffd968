import CRingway
import Glibc
import RingwayLinks
import RingwayRing
import RingwaySystem
import RingwayWire
import Synchronization
import TestSupport
import Testing

private let isTapAllowed =
    geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0

/// A ring on a real TAP device, in a network namespace of its own.
@Suite("TAP", .tags(.kernel), .enabled(if: isTapAllowed))
struct TapReadTests {
    private static let guestMAC = MACAddress(rawValue: 0x02_00_00_00_00_02)
    private static let gateway = IPv4Address(10, 9, 8, 1)

    /// A TAP with an address in a namespace that only the calling thread is in.
    private static func makeTap() throws -> Int32 {
        guard ringway_unshare(ringway_kind_network()) == 0 else { throw SystemError(cannot: "unshare") }
        let tap = try TapDevice.make(name: "tap0", queues: 1)
        guard let ipv4 = CIDRBlock("10.9.8.2/24"), let ipv6 = CIDRBlock("fd00::2/64"),
            let ipv6Gateway = IPv6Address("fd00::1")
        else { preconditionFailure("constants are addresses") }
        try InterfaceConfiguration(
            mac: guestMAC, mtu: 1_500, ipv4: ipv4, ipv4Gateway: gateway, ipv6: ipv6, ipv6Gateway: ipv6Gateway,
            ownsNamespace: true
        ).apply(to: "tap0")
        return tap.relinquish()[0]
    }

    /// The next frame that is not the kernel's own chatter about its new interface.
    private static func frame(
        _ bench: RingBench, _ buffers: ProvidedBuffers, _ isWanted: (UnsafeRawBufferPointer) -> Bool
    ) -> [UInt8]? {
        for _ in 0..<32 {
            var found: [UInt8]?
            for completion in bench.completions(1) {
                guard completion.tag.index == 1 else { continue }
                guard completion.hasBuffer, completion.hasMore, completion.result > 26 else { return nil }
                let slice = buffers.slice(completion)
                if found == nil, isWanted(slice) { found = Array(slice) }
                _ = buffers.take(completion)
                buffers.add([completion.bufferIdentifier])
            }
            if let found { return found }
        }
        return nil
    }

    private static func etherType(_ frame: UnsafeRawBufferPointer) -> UInt16 {
        UInt16(frame[24]) << 8 | UInt16(frame[25])
    }

    /// The kernel's question for the gateway's address, and what it sends once that is answered.
    private static func exchange(_ backEnd: BackEnd) throws -> (request: [UInt8]?, datagram: [UInt8]?) {
        let tap = try makeTap()
        defer { Sockets.close(tap) }
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 16, size: 4_096)
        buffers.add(0..<16)
        bench.prepare(1) { ringway_prepare_read_multishot($0, tap, buffers.group) }
        let sender = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { Sockets.close(sender) }
        var target = Sockets.loopback(port: 9_999)
        target.sin_addr.s_addr = gateway.rawValue.bigEndian
        _ = withUnsafePointer(to: &target) { target in
            target.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(sender, "hello", 5, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard let request = frame(bench, buffers, { etherType($0) == 0x0806 }) else { return (nil, nil) }
        var answer = request
        answer.replaceSubrange(0..<12, with: [UInt8](repeating: 0, count: 12))
        answer.replaceSubrange(12..<24, with: [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1])
        answer[33] = 2
        answer.replaceSubrange(34..<44, with: [2, 0, 0, 0, 0, 1, 10, 9, 8, 1])
        answer.replaceSubrange(44..<54, with: [2, 0, 0, 0, 0, 2, 10, 9, 8, 2])
        answer.withUnsafeMutableBytes { bytes in
            bench.prepare(2) { io_uring_prep_write($0, tap, bytes.baseAddress, UInt32(bytes.count), 0) }
            _ = bench.ring.submitAndWait(nanoseconds: 0)
        }
        let datagram = frame(bench, buffers) { etherType($0) == 0x0800 && $0.suffix(5).elementsEqual("hello".utf8) }
        return (request, datagram)
    }

    @Test(.timeLimit(.minutes(1)), arguments: BackEnd.here.filter(\.features.hasMultishotRead))
    func `gives every frame from one submission, and takes frames`(_ backEnd: BackEnd) throws {
        let outcome = Outcome()
        // The namespace ends with the thread.
        TestThread { outcome.result.withLock { $0 = Result { try Self.exchange(backEnd) } } }.join()
        let result = try #require(outcome.result.withLock { $0 }).get()
        let request = try #require(result.request)
        #expect(Array(request[18..<24]) == [2, 0, 0, 0, 0, 2])
        #expect(Array(request[50..<54]) == [10, 9, 8, 1])
        let datagram = try #require(result.datagram)
        #expect(Array(datagram[12..<18]) == [2, 0, 0, 0, 0, 1])
    }

    private final class Outcome: Sendable {
        let result = Mutex<Result<(request: [UInt8]?, datagram: [UInt8]?), any Error>?>(nil)
    }
}
