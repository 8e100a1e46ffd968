internal import Glibc

/// Why a request failed: an `errno`, and a text for users.
///
///      0               4       6
///     +---------------+-------+----------+
///     | errno         | bytes | text     |
///     +---------------+-------+----------+
public struct Refusal: Error, Hashable, Sendable {
    /// The `errno` of Linux; never zero.
    public var errorNumber: Int32
    /// One line. A message contains at most its first 1,024 bytes.
    public var text: String

    /// A refusal with this text.
    public init(errorNumber: Int32, text: String) {
        precondition(errorNumber != 0, "a refusal has a reason")
        self.errorNumber = errorNumber
        self.text = text
    }

    /// A refusal with the kernel's text for the error number.
    public init(errorNumber: Int32) {
        self.init(errorNumber: errorNumber, text: String(cString: strerror(errorNumber)))
    }

    func write(_ writer: inout ByteWriter) { Self.write(self, &writer) }

    /// Writes a refusal. `nil` is written as a zero `errno` and an empty text.
    static func write(_ refusal: Refusal?, _ writer: inout ByteWriter) {
        writer.append(refusal?.errorNumber ?? 0)
        writer.appendText(refusal?.text ?? "")
    }

    static func read(_ reader: inout ByteReader) throws(AgentProtocolFailure) -> Refusal? {
        let number = try reader.signed()
        let text = try reader.text()
        guard number != 0 else {
            guard text.isEmpty else { throw .invalidValue }
            return nil
        }
        // Linux's error numbers are from 1 to 4,095.
        guard number > 0, number < 4_096 else { throw .invalidValue }
        return Refusal(errorNumber: number, text: text)
    }
}

extension Refusal: CustomStringConvertible {
    /// The text, without the error number.
    public var description: String { text }
}
