@testable import RingwayResolver

/// Writes DNS messages for tests, and parses answers.
enum MessageBuilder {
    static func name(_ text: String) -> [UInt8] {
        WireName.encode(text) ?? []
    }

    static func word(_ value: UInt16) -> [UInt8] {
        [UInt8(value >> 8), UInt8(value & 0xFF)]
    }

    /// A query with the RD bit; `payloadSize` adds an OPT record.
    static func query(
        _ text: String, type: UInt16 = 1, recordClass: UInt16 = 1, identifier: UInt16 = 0x1234,
        flags: UInt16 = 0x0100, payloadSize: UInt16? = nil, version: UInt8 = 0, wantsSecurityRecords: Bool = false
    ) -> [UInt8] {
        var message = word(identifier) + word(flags) + word(1) + word(0) + word(0) + word(payloadSize == nil ? 0 : 1)
        message += name(text) + word(type) + word(recordClass)
        if let payloadSize {
            message += [0] + word(41) + word(payloadSize) + [0, version, wantsSecurityRecords ? 0x80 : 0, 0] + word(0)
        }
        return message
    }

    /// The answer to `query` with these records, each a type and its data.
    static func answer(
        to query: [UInt8], code: UInt16 = 0, flags: UInt16 = 0x8180, records: [(type: UInt16, data: [UInt8])] = []
    ) -> [UInt8] {
        var reader = MessageReader(query, at: 12)
        _ = reader.skipQuestions(1)
        var message =
            Array(query[0..<2]) + word(flags | code) + word(1) + word(UInt16(records.count)) + word(0) + word(0)
        message += query[12..<reader.offset]
        for record in records {
            message += [0xC0, 12] + word(record.type) + word(1) + [0, 0, 0, 60] + word(UInt16(record.data.count))
            message += record.data
        }
        return message
    }

    static func identifier(_ message: [UInt8]) -> UInt16 {
        message.count >= 2 ? UInt16(message[0]) << 8 | UInt16(message[1]) : 0
    }

    static func code(_ message: [UInt8]) -> UInt8 {
        message.count >= 4 ? message[3] & 0xF : 0xFF
    }

    static func isTruncated(_ message: [UInt8]) -> Bool {
        message.count >= 4 && message[2] & 2 != 0
    }

    static func answerCount(_ message: [UInt8]) -> Int {
        Int(MessageHeader(message)?.answerCount ?? 0)
    }

    /// Type and data of each answer record.
    static func answers(_ message: [UInt8]) -> [(type: UInt16, data: [UInt8])] {
        guard let header = MessageHeader(message) else { return [] }
        var reader = MessageReader(message, at: 12)
        guard reader.skipQuestions(header.questionCount) else { return [] }
        return (0..<header.answerCount).compactMap { _ in
            guard let record = reader.readRecord() else { return nil }
            var inner = MessageReader(message, at: record.range.lowerBound)
            guard inner.skipName(), inner.skip(10) else { return nil }
            return (record.type, Array(message[inner.offset..<record.range.upperBound]))
        }
    }
}

/// Sebastiano Vigna's splitmix64, so that a failing run can be repeated from its seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
