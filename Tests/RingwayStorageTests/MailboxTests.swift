import RingwayStorage
import TestSupport
import Testing

@Suite("Mailbox")
struct MailboxTests {
    @Test func `returns messages in order and reports when it is empty`() {
        let mailbox = MemoryFailure.trap { try Mailbox<Int>(capacity: 8) }
        defer { mailbox.deallocate() }
        #expect(mailbox.isEmpty)
        #expect(mailbox.take() == nil)
        for message in 0..<5 { #expect(mailbox.post(message)) }
        #expect(!mailbox.isEmpty)
        for message in 0..<5 { #expect(mailbox.take() == message) }
        #expect(mailbox.take() == nil)
        #expect(mailbox.isEmpty)
    }

    @Test func `refuses a message when full and takes one again after a take`() {
        let mailbox = MemoryFailure.trap { try Mailbox<Int>(capacity: 4) }
        defer { mailbox.deallocate() }
        for message in 0..<4 { #expect(mailbox.post(message)) }
        #expect(!mailbox.post(99))
        #expect(mailbox.take() == 0)
        #expect(mailbox.post(4))
        #expect(!mailbox.post(99))
        for message in 1...4 { #expect(mailbox.take() == message) }
        #expect(mailbox.take() == nil)
    }

    @Test func `holds one when its capacity is one`() {
        let mailbox = MemoryFailure.trap { try Mailbox<Int>(capacity: 1) }
        defer { mailbox.deallocate() }
        for message in 0..<10 {
            #expect(mailbox.post(message))
            #expect(!mailbox.post(99))
            #expect(mailbox.take() == message)
        }
    }

    @Test(arguments: [UInt64](1...16))
    func `agrees with an array under any order of calls`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let capacity = 1 << noise.below(6)
        let mailbox = MemoryFailure.trap { try Mailbox<Int>(capacity: UInt32(capacity)) }
        defer { mailbox.deallocate() }
        var model: [Int] = []
        for step in 0..<5_000 {
            if noise.below(2) == 0 {
                let accepted = mailbox.post(step)
                #expect(accepted == (model.count < capacity))
                if accepted { model.append(step) }
            } else {
                #expect(mailbox.take() == model.first)
                if !model.isEmpty { model.removeFirst() }
            }
            #expect(mailbox.isEmpty == model.isEmpty)
        }
    }

    /// A message that shows whether it was read before it was complete.
    private struct Wide: BitwiseCopyable, Sendable, Equatable {
        var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

        init(_ number: UInt64) { words = (number, number, number, number, number, number, number, number) }

        var isWhole: Bool {
            words.0 == words.1 && words.1 == words.2 && words.2 == words.3 && words.3 == words.4
                && words.4 == words.5 && words.5 == words.6 && words.6 == words.7
        }

        static func == (left: Wide, right: Wide) -> Bool { left.words.0 == right.words.0 }
    }

    @Test(arguments: [UInt32(1), 2, 64, 1_024])
    func `carries every message once, whole and in order, between two threads`(capacity: UInt32) {
        let mailbox = MemoryFailure.trap { try Mailbox<Wide>(capacity: capacity) }
        defer { mailbox.deallocate() }
        let total: UInt64 = capacity < 64 ? 20_000 : 300_000
        let producer = TestThread {
            for number in 0..<total {
                while !mailbox.post(Wide(number)) { yieldThread() }
            }
        }
        var expected: UInt64 = 0
        var broken = 0
        while expected < total {
            guard let message = mailbox.take() else {
                yieldThread()
                continue
            }
            if !message.isWhole || message.words.0 != expected { broken += 1 }
            expected += 1
        }
        producer.join()
        #expect(broken == 0)
        #expect(mailbox.take() == nil)
    }

    @Test func `traps when its capacity is no power of two`() async {
        await #expect(processExitsWith: .failure) { _ = MemoryFailure.trap { try Mailbox<Int>(capacity: 3) } }
    }
}
