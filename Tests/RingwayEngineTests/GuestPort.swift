import CRingway
import Glibc
import RingwayEngine
import RingwayModel
import RingwayRing
import RingwayStack
import RingwayWire
import Synchronization

/// An engine with a guest simulated by the test: one socket pair per queue. Frames have a virtio-net header on this
/// side, regardless of the framing.
final class GuestPort {
    static let guestMAC = MACAddress(rawValue: 0x5255_0000_0002)
    static let guest = IPv4Address(192, 168, 127, 2)
    static let gateway = IPv4Address(192, 168, 127, 1)
    static let host = IPv4Address(192, 168, 127, 254)

    let engine: Engine
    let framing: Link.Framing
    private(set) var queues: [Int32]
    /// Received bytes of a stream for each queue, and the number already decoded.
    private var partial: [[UInt8]]
    private var taken: [Int]
    private let events: EventLog

    /// The engine's events.
    private final class EventLog: Sendable {
        let events = Mutex<[EngineEvent]>([])
    }

    /// - Parameters:
    ///   - queues: of the link; one for each shard where there are none yet.
    ///   - set: shards that have other guests, too.
    ///   - number: tells guests apart that are neighbours.
    init(
        _ carrier: Carrier, shards queues: Int = 1, usesMultishotRead: Bool = true, on set: ShardSet? = nil,
        neighbor number: UInt8? = nil
    ) throws {
        framing = carrier.framing
        var own: [Int32] = []
        var others: [Int32] = []
        for _ in 0..<queues {
            let pair = Self.pair(framing)
            own.append(pair.0)
            others.append(pair.1)
        }
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(
                ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD00_0000_0000_0001, low: 0), mtu: 1_500)
        else { preconditionFailure("constants are addresses") }
        var configuration = EngineConfiguration(
            stack: Stack.Configuration(
                plan: plan, limits: Self.limits, policy: DestinationPolicy(), guestMAC: Self.mac(number),
                guestIPv4: Self.address(number), guestIPv6: plan.firstGuestIPv6, shard: 0, shards: queues, secret: 42))
        configuration.usesMultishotRead = usesMultishotRead
        if number != nil { configuration.claims = NoClaims() }
        let log = EventLog()
        events = log
        engine = try Engine(
            configuration, link: Link(queues: others, framing: framing, takesUDPSuperFrames: true), on: set,
            features: carrier.backEnd.features, nameService: nil,
            handler: { event in
                if case .addressesChanged = event { return }
                log.events.withLock { $0.append(event) }
            })
        engine.start()
        self.queues = own
        partial = own.map { _ in [] }
        taken = own.map { _ in 0 }
    }

    static var limits: Limits {
        var limits = Limits()
        limits.flowsPerGuest = 256
        limits.poolBytesPerShard = 16 << 20
        return limits
    }

    /// Shards for several guests.
    static func shards(_ carrier: Carrier, count: Int) throws -> ShardSet {
        try ShardSet(
            ShardSet.Configuration(shards: count, limits: limits, features: carrier.backEnd.features))
    }

    static func mac(_ number: UInt8?) -> MACAddress {
        number.map { MACAddress(rawValue: 0x5255_0000_1000 + UInt64($0)) } ?? guestMAC
    }

    static func address(_ number: UInt8?) -> IPv4Address { number.map { IPv4Address(192, 168, 127, $0) } ?? guest }

    private struct NoClaims: AddressClaims {
        func claim(_ address: IPv6Address) -> Bool { true }
        func release(_ address: IPv6Address) {}
        func replace(_ address: IPv4Address) -> IPv4Address? { nil }
        func refused(_ address: IPAddress) {}
    }

    private static func pair(_ framing: Link.Framing) -> (Int32, Int32) {
        let type: __socket_type =
            switch framing {
            case .device: SOCK_SEQPACKET
            case .stream: SOCK_STREAM
            case .datagram: SOCK_DGRAM
            }
        var pair: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &pair) { bytes in
            socketpair(
                AF_UNIX, Int32(type.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0,
                bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        precondition(result == 0)
        return pair
    }

    deinit { for queue in queues where queue >= 0 { close(queue) } }

    func send(_ frame: [UInt8], queue: Int = 0) { sendBytes(framed(frame), queue: queue) }

    /// Sends bytes as they are: a message, or a part of a stream.
    func sendBytes(_ bytes: [UInt8], queue: Int = 0) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { write(queues[queue], $0.baseAddress, $0.count) }
            if sent < 0, errno == EAGAIN {
                var item = pollfd(fd: queues[queue], events: Int16(POLLOUT), revents: 0)
                precondition(poll(&item, 1, 30_000) == 1, "the link takes no frame")
                continue
            }
            precondition(sent > 0, "the link takes no frame")
            rest = rest.dropFirst(sent)
        }
    }

    /// The frame in the link's framing.
    func framed(_ frame: [UInt8]) -> [UInt8] {
        switch framing {
        case .device: frame
        case .datagram: Self.finished(frame)
        case .stream(.agent): Self.prefix(frame.count, count: 4).reversed() + frame
        case .stream(.qemu):
            Self.prefix(Self.finished(frame).count, count: 4) + Self.finished(frame)
        case .stream(.vpnkit):
            Self.prefix(Self.finished(frame).count, count: 2).reversed() + Self.finished(frame)
        }
    }

    private static func prefix(_ length: Int, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: length >> (8 * (count - 1 - $0))) }
    }

    /// The frame without a virtio-net header, its checksum complete.
    private static func finished(_ frame: [UInt8]) -> [UInt8] {
        var target = [UInt8](repeating: 0, count: max(0, frame.count - 12))
        frame.withUnsafeBytes { frame in
            target.withUnsafeMutableBytes { target in
                guard let base = target.baseAddress else { return }
                var segmentation = SoftwareSegmentation(at: base)
                guard segmentation.prepare(frame, UnsafeRawBufferPointer(start: nil, count: 0)) == .none else { return }
                segmentation.writeNext(to: base)
            }
        }
        return target
    }

    /// The next matching frame on any queue, within half a minute.
    func receive(where isWanted: ([UInt8]) -> Bool) -> [UInt8]? {
        let end = ringway_monotonic_nanoseconds() + 30_000_000_000
        var items = queues.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while ringway_monotonic_nanoseconds() < end {
            for index in queues.indices {
                while let frame = nextFrame(index) {
                    if isWanted(frame) { return frame }
                }
            }
            guard poll(&items, nfds_t(items.count), 100) > 0 else { continue }
        }
        return nil
    }

    /// Waits a while for anything on the first queue.
    func wait(milliseconds: Int32) {
        var item = pollfd(fd: queues[0], events: Int16(POLLIN), revents: 0)
        _ = poll(&item, 1, milliseconds)
    }

    /// A pending frame, virtio-net header first.
    func nextFrame(_ index: Int) -> [UInt8]? {
        let empty = [UInt8](repeating: 0, count: 12)
        guard case .stream(let framing) = framing else {
            let bytes = readBytes(index)
            guard !bytes.isEmpty else { return nil }
            return self.framing == .device ? bytes : empty + bytes
        }
        let size = framing == .vpnkit ? 2 : 4
        while true {
            let start = taken[index] + size
            if partial[index].count >= start {
                let prefix = partial[index][start - size..<start]
                let length = (framing == .qemu ? Array(prefix) : prefix.reversed()).reduce(0) { $0 << 8 | Int($1) }
                if partial[index].count >= start + length {
                    taken[index] = start + length
                    return (framing == .agent ? [] : empty) + partial[index][start..<start + length]
                }
            }
            let more = readBytes(index)
            guard !more.isEmpty else { return nil }
            partial[index] = partial[index][taken[index]...] + more
            taken[index] = 0
        }
    }

    private func readBytes(_ index: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 70_000)
        let count = bytes.withUnsafeMutableBytes { read(queues[index], $0.baseAddress, $0.count) }
        return Array(bytes.prefix(max(0, count)))
    }

    // MARK: Watching

    /// The engine's first event, within half a minute.
    func event() -> EngineEvent? {
        let end = ringway_monotonic_nanoseconds() + 30_000_000_000
        while ringway_monotonic_nanoseconds() < end {
            if let event = events.events.withLock({ $0.first }) { return event }
            usleep(1_000)
        }
        return nil
    }

    /// Closes the guest's end.
    func die(queue: Int = 0) {
        close(queues[queue])
        queues[queue] = -1
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

    /// Whether the engine closes every queue within half a minute. The kernel frees a ring on a thread of its own, and
    /// a read in flight keeps its file open until then.
    func isLinkClosed() -> Bool {
        let end = ringway_monotonic_nanoseconds() + 30_000_000_000
        while !queues.allSatisfy({ $0 < 0 || isClosed($0) }) {
            guard ringway_monotonic_nanoseconds() < end else { return false }
            usleep(5_000)
        }
        return true
    }

    private func isClosed(_ queue: Int32) -> Bool {
        // One end of a datagram socket pair learns of the other's end only by a datagram.
        if framing == .datagram { return write(queue, [0], 1) < 0 && errno != EAGAIN }
        var item = pollfd(fd: queue, events: 0, revents: 0)
        return poll(&item, 1, 0) == 1 && item.revents & Int16(POLLHUP) != 0
    }

    func count(_ name: String) -> Int { engine.snapshot().first { $0.name == name }?.value ?? -1 }

    /// Whether a counter soon reaches a value.
    func reaches(_ name: String, _ value: Int) -> Bool {
        let end = ringway_monotonic_nanoseconds() + 30_000_000_000
        while ringway_monotonic_nanoseconds() < end {
            if count(name) == value { return true }
            usleep(1_000)
        }
        return false
    }

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
