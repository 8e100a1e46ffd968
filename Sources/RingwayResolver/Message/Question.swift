/// A question: a name, a type and a class (RFC 1035 §4.1.2).
struct Question: Equatable {
    /// The name in wire format, with upper and lower case as in the message.
    let name: [UInt8]
    let type: UInt16
    let recordClass: UInt16

    /// `nil` if the question exceeds the message or its name is compressed.
    init?(_ reader: inout MessageReader) {
        guard let name = reader.readPlainName(), let type = reader.readWord(), let recordClass = reader.readWord()
        else {
            return nil
        }
        self.name = name
        self.type = type
        self.recordClass = recordClass
    }

    /// The question in wire form.
    var bytes: [UInt8] {
        name + [UInt8(type >> 8), UInt8(type & 0xFF), UInt8(recordClass >> 8), UInt8(recordClass & 0xFF)]
    }

    /// Whether `other` is the same question; names are compared without case (RFC 1035 §2.3.3).
    func isSame(as other: Question) -> Bool {
        type == other.type && recordClass == other.recordClass
            && WireName.lowercased(name) == WireName.lowercased(other.name)
    }
}
