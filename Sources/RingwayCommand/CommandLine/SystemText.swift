internal import CRingway
internal import Glibc

/// Converts between bytes, such as those of a path, and the text that represents them (ringway_text.h).
enum SystemText {
    /// The bytes that a text represents, with a terminating zero.
    static func bytes(_ text: String) -> ContiguousArray<CChar> {
        guard let bytes = ringway_text_bytes(text) else { return [0] }
        defer { free(bytes) }
        return ContiguousArray(UnsafeBufferPointer(start: bytes, count: strlen(bytes) + 1))
    }

    /// The text that represents zero-terminated bytes.
    static func text(_ bytes: UnsafePointer<CChar>) -> String {
        guard let text = ringway_text_from_bytes(bytes) else { return "" }
        defer { free(text) }
        return String(cString: text)
    }

    /// A text for display: a byte that is not UTF-8 is written as `\x` and two hexadecimal digits.
    static func shown(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isByte) else { return text }
        return text.unicodeScalars.reduce(into: "") { shown, scalar in
            if isByte(scalar) {
                shown += "\\x" + String(scalar.value & 0xFF, radix: 16, uppercase: true)
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
    }

    private static func isByte(_ scalar: Unicode.Scalar) -> Bool { (0x10FF80...0x10FFFF).contains(scalar.value) }
}
