import Testing

@testable import RingwayResolver

@Suite struct TruncationTests {
    @Test func `An answer that fits is left alone`() {
        let answer = MessageBuilder.answer(to: MessageBuilder.query("a.test"), records: [(1, [1, 2, 3, 4])])
        #expect(Truncation.fit(answer, into: answer.count) == answer)
    }

    @Test func `An answer that does not fit keeps question and options, with TC set`() throws {
        let query = MessageBuilder.query("a.test", identifier: 5)
        var answer = MessageBuilder.answer(to: query, records: [(16, Array(repeating: 1, count: 600))])
        let options: [UInt8] = [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 2, 9, 9]
        answer += options
        answer[11] = 1
        let short = Truncation.fit(answer, into: 512)
        #expect(MessageBuilder.isTruncated(short))
        #expect(MessageBuilder.answerCount(short) == 0)
        #expect(short == [0, 5, 0x83, 0x80, 0, 1, 0, 0, 0, 0, 0, 1] + query[12...] + options)
    }

    @Test func `Options that do not fit themselves are left out`() {
        let query = MessageBuilder.query("a.test")
        var answer = MessageBuilder.answer(to: query)
        answer += [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0x02, 0x58] + Array(repeating: UInt8(1), count: 600)
        answer[11] = 1
        let short = Truncation.fit(answer, into: 512)
        #expect(short.count == query.count)
        #expect(short[11] == 0)
    }
}
