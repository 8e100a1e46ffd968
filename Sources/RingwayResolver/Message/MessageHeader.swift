/// The twelve bytes at the start of every DNS message (RFC 1035 §4.1.1, flags as in RFC 2535 §6.1).
///
///      0  1                 4  5  6  7  8  9 10 11 12             15
///     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
///     |                  identifier                   |
///     |QR|  operation  |AA|TC|RD|RA| Z|AD|CD| response |
///     |                 four counts …                 |
///     +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
struct MessageHeader: Equatable {
    /// Bytes in the header.
    static let length = 12

    var identifier: UInt16
    var flags: Flags
    var questionCount: UInt16 = 0
    var answerCount: UInt16 = 0
    var authorityCount: UInt16 = 0
    var additionalCount: UInt16 = 0

    init(identifier: UInt16, flags: Flags) {
        self.identifier = identifier
        self.flags = flags
    }

    /// `nil` when there are fewer than twelve bytes.
    init?(_ bytes: [UInt8]) {
        var reader = MessageReader(bytes)
        guard let identifier = reader.readWord(), let flags = reader.readWord(),
            let questions = reader.readWord(), let answers = reader.readWord(),
            let authorities = reader.readWord(), let additionals = reader.readWord()
        else { return nil }
        self.init(identifier: identifier, flags: Flags(rawValue: flags))
        questionCount = questions
        answerCount = answers
        authorityCount = authorities
        additionalCount = additionals
    }

    /// The twelve bytes.
    var bytes: [UInt8] {
        [identifier, flags.rawValue, questionCount, answerCount, authorityCount, additionalCount].flatMap {
            [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)]
        }
    }

    /// The 16 bits after the identifier: single-bit flags, and two fields of four bits each.
    struct Flags: OptionSet {
        var rawValue: UInt16

        static let answer = Flags(rawValue: 0x8000)
        static let authoritative = Flags(rawValue: 0x0400)
        static let truncated = Flags(rawValue: 0x0200)
        static let recursionDesired = Flags(rawValue: 0x0100)
        static let recursionAvailable = Flags(rawValue: 0x0080)
        static let checkingDisabled = Flags(rawValue: 0x0010)

        /// The opcode; 0 is an ordinary query.
        var operation: UInt16 { rawValue >> 11 & 0xF }

        /// The opcode, RD and CD: the fields of a query that its answer repeats.
        var repeated: Flags {
            Flags(rawValue: rawValue & 0x7800).union(intersection([.recursionDesired, .checkingDisabled]))
        }

        var responseCode: ResponseCode {
            get { ResponseCode(rawValue: UInt8(rawValue & 0xF)) }
            set { rawValue = rawValue & 0xFFF0 | UInt16(newValue.rawValue & 0xF) }
        }
    }

    /// The result of a query (RFC 1035 §4.1.1, RFC 6895 §2.3).
    struct ResponseCode: Equatable {
        let rawValue: UInt8

        static let success = ResponseCode(rawValue: 0)
        static let serverFailure = ResponseCode(rawValue: 2)
        static let nameError = ResponseCode(rawValue: 3)
        static let refused = ResponseCode(rawValue: 5)
    }
}
