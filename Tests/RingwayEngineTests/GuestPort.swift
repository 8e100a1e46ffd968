import CRingway
import Glibc
import RingwayEngine
import RingwayLinks
import RingwayRing
import RingwayStack
import RingwayWire

/// An engine with a guest that the test plays: one pair of sockets a queue, a frame a message.
final class GuestPort {
    static let guestMAC = MACAddress(rawValue: 0x5255_0000_0002)
    static let guest = IPv4Address(192, 168, 127, 2)
    static let gateway = IPv4Address(192, 168, 127, 1)
    static let host = IPv4Address(192, 168, 127, 254)

    let engine: Engine
    private let queues: [Int32]

    init(_ backEnd: BackEnd, shards: Int = 1, usesMultishotRead: Bool = true) throws {
        var own: [Int32] = []
        var others: [Int32] = []
        for _ in 0..<shards {
            var pair: (Int32, Int32) = (-1, -1)
            let result = withUnsafeMutableBytes(of: &pair) { bytes in
                socketpair(
                    AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0,
                    bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
            }
            precondition(result == 0)
            own.append(pair.0)
            others.append(pair.1)
        }
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(
                ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD00_0000_0000_0001, low: 0), mtu: 1_500)
        else { preconditionFailure("constants are addresses") }
        var limits = Limits()
        limits.flowsPerGuest = 256
        limits.poolOctetsPerShard = 16 << 20
        var configuration = EngineConfiguration(
            stack: Stack.Configuration(
                plan: plan, limits: limits, policy: DestinationPolicy(), guestMAC: Self.guestMAC,
                guestIPv4: Self.guest, guestIPv6: plan.firstGuestIPv6, shard: 0, shards: shards, secret: 42))
        configuration.usesMultishotRead = usesMultishotRead
        engine = try Engine(
            configuration, link: Link(queues: others, takesUDPSuperFrames: true), features: backEnd.features,
            nameService: nil, handler: { _ in })
        queues = own
    }

    deinit { for queue in queues { close(queue) } }

    func send(_ frame: [UInt8], queue: Int = 0) {
        let sent = frame.withUnsafeBytes { write(queues[queue], $0.baseAddress, $0.count) }
        precondition(sent == frame.count, "the link takes no frame")
    }

    /// The next frame on any queue that is wanted, within two seconds.
    func receive(where isWanted: ([UInt8]) -> Bool) -> [UInt8]? {
        let end = ringway_monotonic_nanoseconds() + 2_000_000_000
        var octets = [UInt8](repeating: 0, count: 70_000)
        var items = queues.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while ringway_monotonic_nanoseconds() < end {
            guard poll(&items, nfds_t(items.count), 100) > 0 else { continue }
            for item in items where item.revents != 0 {
                let count = octets.withUnsafeMutableBytes { read(item.fd, $0.baseAddress, $0.count) }
                guard count > 0 else { continue }
                let frame = Array(octets.prefix(count))
                if isWanted(frame) { return frame }
            }
        }
        return nil
    }

    /// The next TCP segment to a port of the guest's.
    func receiveSegment(to port: UInt16, where isWanted: (TCPHeader, Int) -> Bool = { _, _ in true }) -> Segment? {
        var found: Segment?
        _ = receive { frame in
            guard let segment = Segment(frame), segment.destinationPort == port else { return false }
            let isMet = frame.withUnsafeBytes { bytes in
                TCPHeader(UnsafeRawBufferPointer(rebasing: bytes[Frames.transport...])).map {
                    isWanted($0, segment.payload.count)
                } ?? false
            }
            if isMet { found = segment }
            return isMet
        }
        return found
    }

    /// Whether the engine lets go of every queue within two seconds. The kernel takes a ring apart on a thread of its own,
    /// and a read that was under way keeps its file until then.
    func isLinkClosed() -> Bool {
        let end = ringway_monotonic_nanoseconds() + 2_000_000_000
        while !queues.allSatisfy(isClosed) {
            guard ringway_monotonic_nanoseconds() < end else { return false }
            usleep(5_000)
        }
        return true
    }

    private func isClosed(_ queue: Int32) -> Bool {
        var item = pollfd(fd: queue, events: 0, revents: 0)
        return poll(&item, 1, 0) == 1 && item.revents & Int16(POLLHUP) != 0
    }

    func count(_ name: String) -> Int { engine.snapshot().first { $0.name == name }?.value ?? -1 }

    /// A TCP segment as the guest sees it.
    struct Segment {
        var destinationPort: UInt16
        var sequence: UInt32
        var acknowledgement: UInt32
        var flags: TCPFlags
        var payload: [UInt8]

        init?(_ frame: [UInt8]) {
            guard frame.count >= Frames.transport + 20, frame[Frames.network + 9] == IPProtocol.tcp,
                frame[Frames.network] == 0x45
            else { return nil }
            func word(_ offset: Int) -> UInt32 {
                frame[Frames.transport + offset..<Frames.transport + offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
            destinationPort = UInt16(truncatingIfNeeded: word(0))
            sequence = word(4)
            acknowledgement = word(8)
            flags = TCPFlags(rawValue: frame[Frames.transport + 13])
            payload = Array(frame[(Frames.transport + Int(frame[Frames.transport + 12] >> 4) * 4)...])
        }
    }
}
