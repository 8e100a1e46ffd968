import RingwayWire
import TestSupport
import Testing

@testable import RingwayStack

/// RFC 791 §3.2, RFC 8200 §4.5, RFC 5722.
@Suite("Reassembler", .serialized)
struct ReassemblerTests {
    private static let families = [false, true]
    private static let second: UInt64 = 1_000_000_000

    @Test("puts a datagram together from fragments in order", arguments: families)
    func inOrder(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        let datagram = builder.datagram(length: 4_001)
        let result = try #require(try bench.add(builder.cut(datagram, every: 1_440)))
        #expect(result.bytes == datagram)
        #expect(result.isChecksumCorrect)
        #expect(result.datagram.protocolNumber == IPProtocol.udp)
        #expect(result.datagram.hopLimit == 64)
        #expect(result.datagram.sourceMAC == ServiceNetwork.guestMAC)
        #expect(result.datagram.source.isIPv4 != isIPv6)
        #expect(bench.inUse == 0)
        #expect(bench.completed == 1)
        #expect(bench.drops.total == 0)
    }

    @Test("puts it together in any order", arguments: UInt64(1)...16)
    func anyOrder(seed: UInt64) throws {
        var noise = SeededNoise(seed: seed)
        for isIPv6 in Self.families {
            let builder = FragmentBuilder(isIPv6: isIPv6)
            let bench = ReassemblyBench()
            let datagram = builder.datagram(length: 9 + Int(noise.next() % 20_000))
            let step = 8 * Int(1 + noise.next() % 180)
            let frames = builder.cut(datagram, every: step).shuffled(using: &noise)
            guard frames.count > 1 else { continue }
            let result = try bench.add(frames)
            #expect(result?.bytes == datagram, "seed \(seed), step \(step)")
        }
    }

    @Test("gives it back as the frame its sender would have sent", arguments: families)
    func writesFrame(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        let largest = isIPv6 ? 65_535 : 65_515
        for count in [1_600, largest] {
            let datagram = builder.datagram(length: count)
            let result = try #require(try bench.add(builder.cut(datagram, every: 1_440)))
            let frame = try #require(result.frame)
            #expect(frame.bytes.count == result.datagram.frameLength)
            let summary = try frame.summary()
            #expect(summary.kind == .udp)
            #expect(summary.destinationPort == 6_000)
            #expect(Int(summary.payloadLength) == count - 8)
            #expect(written(capacity: frame.bytes.count - 1) { result.datagram.writeFrame(into: $0) } == nil)
        }
    }

    @Test("keeps several datagrams apart", arguments: families)
    func apart(isIPv6: Bool) throws {
        let bench = ReassemblyBench()
        var first = FragmentBuilder(isIPv6: isIPv6)
        var second = first
        first.identification = 7
        second.identification = 8
        let a = first.cut(first.datagram(length: 3_000), every: 1_000)
        let b = second.cut(second.datagram(length: 2_500), every: 1_000)
        for index in 0..<2 {
            #expect(try bench.add(a[index]) == nil)
            #expect(try bench.add(b[index]) == nil)
        }
        #expect(bench.inUse == 2)
        #expect(try bench.add(b[2])?.bytes.count == 2_500)
        #expect(try bench.add(a[2])?.bytes.count == 3_000)
    }

    @Test func `tells IPv4 datagrams apart by protocol, IPv6 ones not`() throws {
        let payload = [UInt8](repeating: 0, count: 16)
        for isIPv6 in Self.families {
            let builder = FragmentBuilder(isIPv6: isIPv6)
            let bench = ReassemblyBench()
            try bench.add(builder.fragment(at: 0, payload, more: true, protocolNumber: IPProtocol.udp))
            let result = try bench.add(builder.fragment(at: 16, payload, more: false, protocolNumber: IPProtocol.tcp))
            #expect((result != nil) == isIPv6)
            if let result { #expect(result.datagram.protocolNumber == IPProtocol.udp) }
        }
    }

    // MARK: What contradicts itself

    @Test("drops a datagram with an overlap, and all that follows of it", arguments: families)
    func overlap(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        let zeros = [UInt8](repeating: 0, count: 32)
        try bench.add(builder.fragment(at: 0, zeros, more: true))
        #expect(try bench.add(builder.fragment(at: 24, zeros, more: true)) == nil)
        #expect(bench.drops[.fragmentOverlap] == 1)
        // The rest of it, and even the whole of it again.
        #expect(try bench.add(builder.fragment(at: 56, zeros, more: false)) == nil)
        #expect(try bench.add(builder.cut(builder.datagram(length: 64), every: 32)) == nil)
        #expect(bench.completed == 0)
        #expect(bench.inUse == 1)
        bench.now += Reassembler.timeout
        #expect(try bench.add(builder.cut(builder.datagram(length: 64), every: 32)) != nil)
        #expect(bench.drops.total == 1)
    }

    @Test("takes a repetition for what it is", arguments: families)
    func repetition(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        let frames = builder.cut(builder.datagram(length: 3_000), every: 1_000)
        for frame in [frames[0], frames[0], frames[2], frames[2], frames[0]] { #expect(try bench.add(frame) == nil) }
        #expect(try bench.add(frames[1])?.bytes.count == 3_000)
        #expect(bench.drops.total == 0)
    }

    @Test("drops a datagram of which a repetition says something else", arguments: families)
    func contradiction(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        try bench.add(builder.fragment(at: 0, [UInt8](repeating: 1, count: 16), more: true))
        try bench.add(builder.fragment(at: 0, [UInt8](repeating: 1, count: 15) + [2], more: true))
        #expect(bench.drops[.fragmentOverlap] == 1)
    }

    @Test("drops a datagram with two ends, or with bytes behind its end", arguments: families)
    func twoEnds(isIPv6: Bool) throws {
        let zeros = [UInt8](repeating: 0, count: 16)
        let cases: [[(Int, Bool)]] = [
            [(32, false), (64, false)], [(64, false), (32, false)], [(32, false), (64, true)],
            [(64, true), (32, false)],
        ]
        for (number, places) in cases.enumerated() {
            let builder = FragmentBuilder(isIPv6: isIPv6)
            let bench = ReassemblyBench()
            for (offset, more) in places {
                #expect(try bench.add(builder.fragment(at: offset, zeros, more: more)) == nil)
            }
            #expect(bench.drops[.fragmentOverlap] == 1, "case \(number)")
        }
    }

    @Test("drops a fragment whose end no length field can say", arguments: families)
    func tooLong(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        let limit = isIPv6 ? 65_535 : 65_515
        let offset = limit / 8 * 8
        let rest = limit - offset
        try bench.add(builder.fragment(at: offset, [UInt8](repeating: 0, count: rest + 1), more: false))
        try bench.add(builder.fragment(at: 65_528, [UInt8](repeating: 0, count: 800), more: true))
        #expect(bench.drops[.fragmentTooLong] == 2)
        #expect(bench.inUse == 0)
        try bench.add(builder.fragment(at: offset, [UInt8](repeating: 0, count: rest), more: false))
        #expect(bench.inUse == 1)
    }

    @Test("drops fragments without bytes, and odd ones that are not the last", arguments: families)
    func malformed(isIPv6: Bool) throws {
        let builder = FragmentBuilder(isIPv6: isIPv6)
        let bench = ReassemblyBench()
        try bench.add(builder.fragment(at: 0, [], more: true))
        try bench.add(builder.fragment(at: 8, [], more: false))
        try bench.add(builder.fragment(at: 0, [UInt8](repeating: 0, count: 15), more: true))
        #expect(bench.drops[.fragmentMalformed] == 3)
        #expect(bench.inUse == 0)
    }

    @Test func `does not trust a summary of another frame`() throws {
        for isIPv6 in Self.families {
            let bench = ReassemblyBench()
            let frame = FragmentBuilder(isIPv6: isIPv6).fragment(at: 0, [UInt8](repeating: 0, count: 64), more: true)
            let summary = try frame.summary()
            for length in 0..<frame.bytes.count {
                #expect(bench.add(GuestFrame(bytes: Array(frame.bytes[..<length])), summary) == nil)
            }
            #expect(bench.drops[.fragmentMalformed] == UInt64(frame.bytes.count))
        }
    }

    // MARK: Time and bounds

    @Test func `gives up after thirty seconds`() throws {
        let builder = FragmentBuilder(isIPv6: false)
        let bench = ReassemblyBench()
        let frames = builder.cut(builder.datagram(length: 2_000), every: 1_000)
        #expect(bench.nextDeadline == nil)
        bench.now = 5 * Self.second
        try bench.add(frames[0])
        #expect(bench.nextDeadline == 35 * Self.second)
        bench.now = 35 * Self.second - 1
        bench.expire()
        #expect(bench.inUse == 1)
        bench.now += 1
        bench.expire()
        #expect(bench.inUse == 0)
        #expect(bench.nextDeadline == nil)
        #expect(bench.drops[.fragmentTimedOut] == 1)
        #expect(try bench.add(frames[1]) == nil)
    }

    @Test func `does not add a fragment to what is out of time, even before the timer ran`() throws {
        let builder = FragmentBuilder(isIPv6: false)
        let bench = ReassemblyBench()
        let frames = builder.cut(builder.datagram(length: 2_000), every: 1_000)
        try bench.add(frames[0])
        bench.now = Reassembler.timeout
        #expect(try bench.add(frames[1]) == nil)
        #expect(bench.drops[.fragmentTimedOut] == 1)
        #expect(try bench.add(frames[0])?.bytes.count == 2_000)
    }

    @Test func `lets the oldest datagram go at the bound`() throws {
        var builder = FragmentBuilder(isIPv6: true)
        let bench = ReassemblyBench(capacity: 4)
        let frames = builder.cut(builder.datagram(length: 2_000), every: 1_000)
        for number in UInt32(1)...5 {
            builder.identification = number
            bench.now += 1
            try bench.add(builder.cut(builder.datagram(length: 2_000), every: 1_000)[0])
        }
        #expect(bench.inUse == 4)
        #expect(bench.drops[.fragmentEvicted] == 1)
        #expect(try bench.add(frames[1]) == nil, "the first datagram should be gone")
        builder.identification = 5
        #expect(try bench.add(builder.cut(builder.datagram(length: 2_000), every: 1_000)[1]) != nil)
    }

    @Test func `lets a condemned datagram go before an older one`() throws {
        var builder = FragmentBuilder(isIPv6: false)
        let bench = ReassemblyBench(capacity: 2)
        let zeros = [UInt8](repeating: 0, count: 16)
        try bench.add(builder.fragment(at: 0, zeros, more: true))
        builder.identification = 2
        bench.now += 1
        try bench.add(builder.fragment(at: 0, zeros, more: true))
        try bench.add(builder.fragment(at: 8, zeros, more: true))
        builder.identification = 3
        try bench.add(builder.fragment(at: 0, zeros, more: true))
        #expect(bench.drops[.fragmentEvicted] == 0)
        builder.identification = 1
        #expect(try bench.add(builder.fragment(at: 16, zeros, more: false)) != nil)
    }

    @Test("is as a naive model says", arguments: UInt64(1)...24)
    func model(seed: UInt64) throws {
        var noise = SeededNoise(seed: seed)
        for round in 0..<40 {
            var builder = FragmentBuilder(isIPv6: noise.next() % 2 == 0)
            builder.identification = UInt32(round)
            let bench = ReassemblyBench(capacity: 2)
            // Fragments of one datagram of 16 blocks with random places: complete iff the model, which has a block for
            // each byte, was filled exactly without a contradiction.
            var model = [UInt8?](repeating: nil, count: 16)
            var length: Int?
            var isCondemned = false
            for _ in 0..<24 {
                let start = Int(noise.next() % 16)
                let count = 1 + Int(noise.next() % UInt64(min(4, 16 - start)))
                let value = UInt8(noise.next() % 16 == 0 ? 1 : 0)
                let isLast = start + count == 16 || noise.next() % 24 == 0
                let bytes = [UInt8](repeating: value, count: count * 8)
                if start == 0, isLast { continue }
                let result = try bench.add(builder.fragment(at: start * 8, bytes, more: !isLast))
                let range = start..<start + count
                let filled = model[range].compactMap(\.self)
                let end = model.lastIndex { $0 != nil }.map { $0 + 1 } ?? 0
                let endAgrees =
                    length.map { isLast ? range.upperBound == $0 : range.upperBound <= $0 }
                    ?? (!isLast || range.upperBound >= end)
                if isCondemned || !endAgrees
                    || !filled.isEmpty && (filled.count < count || filled.contains { $0 != value })
                {
                    isCondemned = true
                } else if filled.isEmpty {
                    for index in range { model[index] = value }
                    if isLast { length = range.upperBound }
                }
                let isComplete = !isCondemned && length.map { model[..<$0].allSatisfy { $0 != nil } } ?? false
                #expect((result != nil) == isComplete, "seed \(seed), round \(round)")
                if let result, let length {
                    #expect(result.bytes == model[..<length].flatMap { [UInt8](repeating: $0 ?? 9, count: 8) })
                }
                if isComplete { break }
            }
        }
    }
}
