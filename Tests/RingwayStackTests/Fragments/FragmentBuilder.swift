import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

/// Makes fragments one by one, wrong ones included, which the fragmenter would not.
struct FragmentBuilder {
    let isIPv6: Bool
    var identification: UInt32 = 1
    var source = ServiceNetwork.guestIPv4
    var hopLimit: UInt8 = 64

    init(isIPv6: Bool) { self.isIPv6 = isIPv6 }

    /// The fragment of `payload` bytes at `offset`.
    func fragment(at offset: Int, _ payload: [UInt8], more: Bool, protocolNumber: UInt8 = IPProtocol.udp) -> GuestFrame
    {
        if isIPv6 {
            let header = GuestFrame.written(8) {
                IPv6ExtensionHeaders.Fragment(offset: offset, more: more, identification: identification)
                    .write(to: $0, nextHeader: protocolNumber)
            }
            return .ipv6(
                to: ServiceNetwork.outsideIPv6, nextHeader: IPProtocol.fragment, header + payload, hopLimit: hopLimit)
        }
        let header = GuestFrame.written(20) {
            IPv4Fields(
                source: source, destination: ServiceNetwork.outside, protocolNumber: protocolNumber,
                payloadLength: payload.count, timeToLive: hopLimit,
                identification: UInt16(truncatingIfNeeded: identification), dontFragment: false, moreFragments: more,
                fragmentOffset: offset
            ).write(to: $0)
        }
        return GuestFrame(EtherType.ipv4, header + payload)
    }

    /// All fragments of a datagram, in order.
    func cut(_ datagram: [UInt8], every step: Int) -> [GuestFrame] {
        stride(from: 0, to: datagram.count, by: step).map { offset in
            let end = min(offset + step, datagram.count)
            return fragment(at: offset, Array(datagram[offset..<end]), more: end < datagram.count)
        }
    }

    /// A UDP datagram with its checksum between the builder's two addresses.
    func datagram(length count: Int) -> [UInt8] {
        let guest = isIPv6 ? IPAddress(ServiceNetwork.guestIPv6) : IPAddress(source)
        let outside = isIPv6 ? IPAddress(ServiceNetwork.outsideIPv6) : IPAddress(ServiceNetwork.outside)
        return GuestFrame.datagram(
            from: TransportAddress(address: guest, port: 5_000), to: TransportAddress(address: outside, port: 6_000),
            (0..<count - 8).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
    }
}

/// A reassembler for closures to share, and a clock.
final class ReassemblyBench {
    /// A datagram that came out, copied out of the reassembler's memory.
    struct Result {
        let datagram: ReassembledDatagram
        let bytes: [UInt8]
        let isChecksumCorrect: Bool
        let frame: GuestFrame?
    }

    private var reassembler: Reassembler
    var now: UInt64 = 0

    init(capacity: Int = 64) { reassembler = MemoryFailure.trap { try Reassembler(capacity: capacity) } }

    var drops: ServiceDropCounts { reassembler.drops }
    var inUse: Int { reassembler.inUse }
    var completed: UInt64 { reassembler.completed }
    var nextDeadline: UInt64? { reassembler.nextDeadline }

    func expire() { reassembler.expire(now: now) }

    @discardableResult
    func add(_ frame: GuestFrame) throws -> Result? {
        let summary = try frame.summary()
        try #require(summary.kind == .fragment)
        return add(frame, summary)
    }

    func add(_ frame: GuestFrame, _ summary: FrameSummary) -> Result? {
        frame.bytes.withUnsafeBytes { bytes -> Result? in
            guard let datagram = reassembler.add(bytes, summary, now: now) else { return nil }
            return Result(
                datagram: datagram, bytes: Array(datagram.bytes), isChecksumCorrect: datagram.isChecksumCorrect,
                frame: written(capacity: 70_000) { datagram.writeFrame(into: $0) })
        }
    }

    /// Adds several; what came out last.
    func add(_ frames: [GuestFrame]) throws -> Result? {
        var result: Result?
        for frame in frames { result = try add(frame) ?? result }
        return result
    }
}
