internal import Glibc

/// What the guest calls itself.
enum HostName {
    static func read() -> String {
        var buffer = [UInt8](repeating: 0, count: 65)
        let isKnown = buffer.withUnsafeMutableBytes { bytes in
            guard let start = bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return false }
            return gethostname(start, bytes.count - 1) == 0
        }
        return isKnown ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : ""
    }
}
