/// Truncates an answer that exceeds its client's datagram size (RFC 2181 §9, RFC 6891 §7).
enum Truncation {
    /// `message` itself if it fits `limit` bytes; otherwise its header with TC set, its question, and its OPT record
    /// if that fits.
    ///
    /// No answer record is kept, because the client must retry over TCP anyway, and must not mistake a part for the
    /// whole.
    static func fit(_ message: [UInt8], into limit: Int) -> [UInt8] {
        guard message.count > limit, var header = MessageHeader(message) else { return message }
        var reader = MessageReader(message, at: MessageHeader.length)
        var body: [UInt8] = []
        var extended: [UInt8] = []
        if reader.skipQuestions(header.questionCount) {
            body = Array(message[MessageHeader.length..<reader.offset])
            extended = extendedRecord(of: message, header: header, reader: reader)
        } else {
            header.questionCount = 0
        }
        header.flags.insert(.truncated)
        header.answerCount = 0
        header.authorityCount = 0
        header.additionalCount = extended.isEmpty ? 0 : 1
        if MessageHeader.length + body.count + extended.count > limit {
            header.additionalCount = 0
            return header.bytes + body
        }
        return header.bytes + body + extended
    }

    private static func extendedRecord(of message: [UInt8], header: MessageHeader, reader: MessageReader) -> [UInt8] {
        var reader = reader
        let records = Int(header.answerCount) + Int(header.authorityCount) + Int(header.additionalCount)
        for _ in 0..<records {
            guard let record = reader.readRecord() else { return [] }
            if record.type == ResourceRecord.RecordType.extended, record.isOwnedByRoot {
                return Array(message[record.range])
            }
        }
        return []
    }
}
