import RingwayStorage
import TestSupport
import Testing

@Suite("Counters")
struct CountersTests {
    @Test func `start at zero and add up`() {
        let counters = Counters()
        defer { counters.deallocate() }
        for metric in Metric.allCases { #expect(counters.read(metric) == 0) }
        counters.add(.turns)
        counters.add(.bytesToGuest, 65_536)
        counters.add(.bytesToGuest, 1)
        #expect(counters.read(.turns) == 1)
        #expect(counters.read(.bytesToGuest) == 65_537)
    }

    @Test func `go down and below zero as gauges may`() {
        let counters = Counters()
        defer { counters.deallocate() }
        counters.add(.hostSockets, 3)
        counters.add(.hostSockets, -4)
        #expect(counters.read(.hostSockets) == -1)
        counters.set(.hostSockets, 7)
        #expect(counters.read(.hostSockets) == 7)
    }

    @Test func `keep every metric and every reason of refusal in a word of its own`() {
        let counters = Counters()
        defer { counters.deallocate() }
        for metric in Metric.allCases { counters.add(metric, metric.rawValue + 1) }
        for reason in UInt8(0)..<64 {
            for _ in 0...reason { counters.addRefused(reason: reason) }
        }
        for metric in Metric.allCases { #expect(counters.read(metric) == metric.rawValue + 1, "\(metric)") }
        for reason in UInt8(0)..<64 { #expect(counters.readRefused(reason: reason) == Int(reason) + 1) }
    }

    @Test func `have a name of their own each`() {
        let names = Set(Metric.allCases.map(\.name))
        #expect(names.count == Metric.allCases.count)
        #expect(names.contains("framesFromGuest"))
    }

    @Test func `are read whole by another thread while they rise`() {
        let counters = Counters()
        defer { counters.deallocate() }
        let step = 0x1_0000_0001
        let total = 200_000
        let writer = TestThread { for _ in 0..<total { counters.add(.turns, step) } }
        var last = 0
        while last < total * step {
            let seen = counters.read(.turns)
            guard seen.isMultiple(of: step), seen >= last else {
                Issue.record("a torn or falling reading: \(seen) after \(last)")
                break
            }
            last = seen
        }
        writer.join()
        #expect(counters.read(.turns) == total * step)
    }
}
