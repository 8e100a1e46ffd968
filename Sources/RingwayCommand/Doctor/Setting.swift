internal import CRingway
internal import Glibc

/// A kernel setting in `/proc/sys`.
struct Setting {
    /// The text, with one space between words; `nil` if the kernel lacks the setting, or the caller may not read it.
    let text: String?

    init(_ path: String) {
        let file = ringway_open(path, O_RDONLY, 0)
        guard file >= 0 else {
            text = nil
            return
        }
        defer { close(file) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
            count = max(0, read(file, buffer.baseAddress, buffer.count))
        }
        text = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// The setting's number, if it is one.
    var number: Int? { text.flatMap { Int($0) } }
}
