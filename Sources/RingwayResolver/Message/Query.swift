/// A client's query, validated once: header, every question and every record lie inside the message.
///
/// A query is forwarded byte for byte except for its identifier, so unknown types, classes, opcodes and options pass.
struct Query {
    /// The largest answer in a datagram if the client does not announce a size (RFC 1035 §4.2.1).
    static let smallestDatagram = 512

    let bytes: [UInt8]
    let header: MessageHeader

    /// The question, if there is exactly one.
    let question: Question?

    /// The OPT record, if there is one.
    let extended: ExtendedOptions?

    /// `nil` if the message is malformed or is not a query.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= Int(UInt16.max), let header = MessageHeader(bytes), !header.flags.contains(.answer)
        else {
            return nil
        }
        var reader = MessageReader(bytes, at: MessageHeader.length)
        var first: Question?
        for index in 0..<header.questionCount {
            guard let question = Question(&reader) else { return nil }
            if index == 0 { first = question }
        }
        let records = Int(header.answerCount) + Int(header.authorityCount) + Int(header.additionalCount)
        var extended: ExtendedOptions?
        for _ in 0..<records {
            guard let record = reader.readRecord() else { return nil }
            if record.type == ResourceRecord.RecordType.extended, record.isOwnedByRoot, extended == nil {
                extended = ExtendedOptions(record)
            }
        }
        self.bytes = bytes
        self.header = header
        self.question = header.questionCount == 1 ? first : nil
        self.extended = extended
    }

    /// The largest answer that the client accepts in a datagram (RFC 6891 §6.2.3).
    var largestDatagram: Int { max(Self.smallestDatagram, Int(extended?.payloadSize ?? 0)) }

    /// Whether the answer may be a sequence of messages (RFC 5936 §2.2, RFC 1995 §4).
    var requestsTransfer: Bool {
        question?.type == ResourceRecord.RecordType.transfer
            || question?.type == ResourceRecord.RecordType.incrementalTransfer
    }

    /// The bytes with another identifier.
    func withIdentifier(_ identifier: UInt16) -> [UInt8] {
        bytes.settingIdentifier(identifier)
    }

    /// Whether `message` answers this query, sent with `identifier`.
    ///
    /// Identifier and opcode must match. If the query has exactly one question, the answer must repeat it; a server
    /// that could not parse the query may leave it out, but must return an error code.
    func isAnswered(by message: [UInt8], identifier: UInt16) -> Bool {
        guard let reply = MessageHeader(message), reply.flags.contains(.answer), reply.identifier == identifier,
            reply.flags.operation == header.flags.operation
        else { return false }
        guard let question else { return true }
        if reply.questionCount == 0 { return reply.flags.responseCode != .success }
        var reader = MessageReader(message, at: MessageHeader.length)
        guard reply.questionCount == 1, let repeated = Question(&reader) else { return false }
        return question.isSame(as: repeated)
    }

    /// A SERVFAIL answer (RFC 1035 §4.1.1, code 2).
    func failure() -> [UInt8] {
        answer(code: .serverFailure)
    }

    /// An answer generated here, with the question repeated byte for byte and an OPT record if the query has one.
    func answer(
        code: MessageHeader.ResponseCode = .success, upperResponseBits: UInt8 = 0,
        flags: MessageHeader.Flags = [], records: [[UInt8]] = [], authority: [[UInt8]] = []
    ) -> [UInt8] {
        var reply = MessageHeader(
            identifier: header.identifier,
            flags: header.flags.repeated.union(flags).union([.answer, .recursionAvailable]))
        reply.flags.responseCode = code
        reply.questionCount = question == nil ? 0 : 1
        reply.answerCount = UInt16(records.count)
        reply.authorityCount = UInt16(authority.count)
        reply.additionalCount = extended == nil ? 0 : 1
        var message = reply.bytes + (question?.bytes ?? [])
        for record in records + authority { message += record }
        if let extended { message += extended.reply(upperResponseBits: upperResponseBits) }
        return message
    }
}

extension [UInt8] {
    /// A message with another identifier in its first two bytes.
    func settingIdentifier(_ identifier: UInt16) -> [UInt8] {
        precondition(count >= MessageHeader.length)
        var copy = self
        copy[0] = UInt8(identifier >> 8)
        copy[1] = UInt8(truncatingIfNeeded: identifier)
        return copy
    }
}
