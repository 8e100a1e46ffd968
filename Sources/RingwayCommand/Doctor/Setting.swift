internal import CRingway
internal import Glibc

/// One of the kernel's settings, as `/proc/sys` shows it.
struct Setting {
    /// The text without the blanks around it and with single ones inside; `nil` where the kernel has no such setting.
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

    /// The number that the setting is, where it is one.
    var number: Int? { text.flatMap { Int($0) } }
}
