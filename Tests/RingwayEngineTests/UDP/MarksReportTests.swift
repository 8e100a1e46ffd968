import Glibc
import RingwayModel
import RingwayStack
import Testing

@testable import RingwayEngine

@Suite("Hop limit and traffic class of a socket")
struct MarksReportTests {
    private var report = MarksReport()
    private static let sender = TransportAddress(address: IPAddress(IPv4Address(10, 0, 0, 1)), port: 7)
    private static let other = TransportAddress(address: IPAddress(IPv4Address(10, 0, 0, 2)), port: 7)
    private static let marks = DatagramMarks(hopLimit: 51, trafficClass: 0xB8)

    /// Notes datagrams with these fields until the socket stops reporting.
    ///
    /// - Returns: their number.
    private mutating func settle(_ marks: DatagramMarks = Self.marks, now: UInt64 = 0) -> Int {
        var number = 0
        while report.isOn, number < 1_000 {
            #expect(report.note(marks, of: Self.sender, now: now) == marks)
            number += 1
        }
        return number
    }

    @Test mutating func `are assumed once they have been the same for a while`() {
        #expect(settle() == 1 + Int(MarksReport.steadyAfter))
        #expect(report.note(nil, of: Self.sender, now: 1) == Self.marks)
        #expect(!report.isOn)
    }

    @Test mutating func `are reported again after a pause, and until then a change is not seen`() {
        _ = settle(now: 5)
        _ = report.note(nil, of: Self.sender, now: 5 + MarksReport.pause - 1)
        #expect(!report.isOn)
        #expect(report.note(nil, of: Self.sender, now: 5 + MarksReport.pause) == Self.marks)
        #expect(report.isOn)
        // One that was received before reports were turned on.
        #expect(report.note(nil, of: Self.sender, now: 5 + MarksReport.pause) == Self.marks)
        let changed = DatagramMarks(hopLimit: 51, trafficClass: 0)
        #expect(settle(changed) == 1 + Int(MarksReport.steadyAfter))
    }

    @Test mutating func `are always reported for a sender that uses ECN`() {
        #expect(settle(DatagramMarks(hopLimit: 64, trafficClass: 0xB8 | 2)) == 1_000)
        #expect(report.isOn)
    }

    @Test mutating func `are not assumed for another sender, whose datagram turns reports on`() {
        _ = settle()
        #expect(report.note(nil, of: Self.other, now: 1) == DatagramMarks())
        #expect(report.isOn)
    }

    @Test mutating func `are always reported while senders alternate`() {
        for number in 0..<1_000 {
            let sender = number.isMultiple(of: 2) ? Self.sender : Self.other
            #expect(report.note(Self.marks, of: sender, now: 0) == Self.marks)
        }
        #expect(report.isOn)
    }

    @Test mutating func `of datagrams that were received before reports were turned off count`() {
        _ = settle()
        let changed = DatagramMarks(hopLimit: 50, trafficClass: 0)
        #expect(report.note(changed, of: Self.sender, now: 1) == changed)
        #expect(report.note(nil, of: Self.sender, now: 1) == changed)
    }
}
