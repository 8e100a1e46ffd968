import RingwayWire
import Testing

@testable import RingwayStack

@Suite("LossRecovery")
struct LossRecoveryTests {
    private static let segment: UInt16 = 1_000
    private let una = SequenceNumber(0xFFFF_F000)
    private let inFlight = 10_000

    private var nxt: SequenceNumber { una.advanced(by: inFlight) }

    private func at(_ offset: Int) -> SequenceNumber { una.advanced(by: offset) }

    private func duplicate(_ recovery: inout LossRecovery, usesSACK: Bool = false) -> Bool {
        recovery.duplicate(una: una, nxt: nxt, segment: Self.segment, usesSACK: usesSACK)
    }

    private func loss(_ recovery: inout LossRecovery, window: UInt32 = 100_000) -> LossRecovery.Loss? {
        recovery.nextLoss(una: una, nxt: nxt, window: window, segment: Self.segment)
    }

    /// An acknowledgement without new data but with SACK blocks, offsets from `una`.
    private func report(_ recovery: inout LossRecovery, _ blocks: [(Int, Int)]) -> Bool {
        var bytes: [UInt8] = [5, UInt8(2 + 8 * blocks.count)]
        for (start, end) in blocks {
            for edge in [start, end] {
                let value = at(edge).rawValue
                bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
            }
        }
        bytes += [1, 1]
        return bytes.withUnsafeBytes { bytes in
            guard let options = TCPOptions.parse(bytes) else { return false }
            return recovery.take(options, acknowledging: una, una: una, nxt: nxt)
        }
    }

    // MARK: Finding losses

    @Test func `the third duplicate acknowledgement shows the loss of one segment`() {
        var recovery = LossRecovery()
        #expect(!duplicate(&recovery))
        #expect(!duplicate(&recovery))
        #expect(duplicate(&recovery))
        #expect(recovery.phase == .fast)
        let lost = loss(&recovery)
        #expect(lost?.start == una)
        #expect(lost?.end == at(1_000))
        #expect(!duplicate(&recovery), "recovery begins once")
    }

    @Test func `SACK blocks that cover two segments show the loss at once`() {
        var recovery = LossRecovery()
        #expect(report(&recovery, [(1_000, 2_000)]))
        #expect(!duplicate(&recovery, usesSACK: true))
        #expect(report(&recovery, [(1_000, 3_000)]))
        #expect(duplicate(&recovery, usesSACK: true))
        #expect(recovery.lossEdge == at(3_000))
    }

    @Test func `blocks without new data, or outside of the data in flight, are not counted`() {
        var recovery = LossRecovery()
        #expect(report(&recovery, [(2_000, 4_000)]))
        #expect(!report(&recovery, [(2_000, 4_000)]))
        #expect(!report(&recovery, [(-2_000, -1_000)]))
        #expect(!report(&recovery, [(9_000, 11_000)]))
        #expect(!report(&recovery, [(6_000, 5_000)]))
        #expect(recovery.scoreboard.bytes(from: una, to: nxt) == 2_000)
    }

    // MARK: Sending again

    @Test func `what lies between blocks is sent again in order, as far as the window allows`() throws {
        var recovery = LossRecovery()
        _ = report(&recovery, [(1_000, 2_000), (3_000, 6_000)])
        #expect(duplicate(&recovery, usesSACK: true))
        let first = try #require(loss(&recovery, window: 6_000))
        #expect(first.start == una && first.end == at(1_000))
        recovery.resent(upTo: first.end)
        // In flight are the retransmitted first segment and the four beyond the losses.
        let second = try #require(loss(&recovery, window: 6_000))
        #expect(second.start == at(2_000) && second.end == at(3_000))
        #expect(second.allowed == 1_000)
        #expect(loss(&recovery, window: 5_999) == nil)
        recovery.resent(upTo: second.end)
        #expect(loss(&recovery, window: 100_000) == nil)
    }

    @Test func `the first loss is sent again whatever the window`() {
        var recovery = LossRecovery()
        for _ in 0..<3 { _ = duplicate(&recovery) }
        #expect(loss(&recovery, window: 0)?.allowed == 1_000)
    }

    @Test func `further blocks extend the range that is considered lost`() throws {
        var recovery = LossRecovery()
        _ = report(&recovery, [(1_000, 3_000)])
        #expect(duplicate(&recovery, usesSACK: true))
        recovery.resent(upTo: at(1_000))
        #expect(loss(&recovery) == nil)
        _ = report(&recovery, [(4_000, 5_000)])
        _ = duplicate(&recovery, usesSACK: true)
        let next = try #require(loss(&recovery))
        #expect(next.start == at(3_000) && next.end == at(4_000))
    }

    // MARK: Acknowledgements

    @Test func `recovery ends with the acknowledgement of what was in flight when it began`() {
        var recovery = LossRecovery()
        for _ in 0..<3 { _ = duplicate(&recovery) }
        let isRecovered = recovery.acknowledged(upTo: at(9_999), segment: Self.segment, usesSACK: false)
        #expect(!isRecovered)
        #expect(recovery.isUnderWay)
        let isRecoveredAtLast = recovery.acknowledged(upTo: nxt, segment: Self.segment, usesSACK: false)
        #expect(isRecoveredAtLast)
        #expect(!recovery.isUnderWay)
        #expect(recovery.scoreboard.isEmpty)
    }

    @Test(arguments: [false, true])
    func `a partial acknowledgement shows the next loss`(_ usesSACK: Bool) throws {
        var recovery = LossRecovery()
        for _ in 0..<3 { _ = duplicate(&recovery, usesSACK: usesSACK) }
        recovery.resent(upTo: at(1_000))
        let isRecovered = recovery.acknowledged(upTo: at(2_000), segment: Self.segment, usesSACK: usesSACK)
        #expect(!isRecovered)
        let loss = recovery.nextLoss(una: at(2_000), nxt: nxt, window: 100_000, segment: Self.segment)
        let next = try #require(loss)
        #expect(next.start == at(2_000) && next.end == at(3_000))
    }

    @Test func `an acknowledgement of new data begins the count of duplicates anew`() {
        var recovery = LossRecovery()
        _ = duplicate(&recovery)
        _ = duplicate(&recovery)
        let isRecovered = recovery.acknowledged(upTo: at(1_000), segment: Self.segment, usesSACK: false)
        #expect(!isRecovered)
        #expect(!duplicate(&recovery))
        #expect(recovery.duplicates == 1)
    }

    // MARK: Timeouts

    @Test func `after a timeout everything is lost, whatever was reported`() throws {
        var recovery = LossRecovery()
        _ = report(&recovery, [(1_000, 3_000)])
        recovery.timedOut(una: una, nxt: nxt)
        #expect(recovery.phase == .timeout)
        let lost = try #require(loss(&recovery, window: 1_000))
        #expect(lost.start == una && lost.end == nxt && lost.allowed == 1_000)
        recovery.resent(upTo: at(1_000))
        #expect(loss(&recovery, window: 1_000) == nil, "one segment is in flight again")
        let isRecovered = recovery.acknowledged(upTo: at(1_000), segment: Self.segment, usesSACK: true)
        #expect(!isRecovered)
        #expect(recovery.nextLoss(una: at(1_000), nxt: nxt, window: 2_000, segment: Self.segment)?.start == at(1_000))
    }

    @Test func `smaller segments send all again and keep what was reported`() throws {
        var recovery = LossRecovery()
        _ = report(&recovery, [(1_000, 3_000)])
        recovery.sendAllAgain(una: una, nxt: nxt)
        let lost = try #require(loss(&recovery))
        #expect(lost.start == una && lost.end == at(1_000))
    }
}
