/// Domain names in DHCP and router advertisements (RFC 1035 §3.1, without compression).
enum DomainName {
    /// Writes `name` as labels and a terminating zero byte. Returns the number of bytes, or `nil` if the name is
    /// invalid or `target` too small. A trailing dot is allowed.
    static func write(_ name: String, to target: UnsafeMutableRawBufferPointer) -> Int? {
        var text = name.utf8[...]
        if text.last == UInt8(ascii: ".") { text = text.dropLast() }
        guard !text.isEmpty, text.count <= 253, text.count + 2 <= target.count else { return nil }
        var offset = 0
        for label in text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard !label.isEmpty, label.count <= 63 else { return nil }
            target[offset] = UInt8(label.count)
            offset += 1
            for character in label {
                target[offset] = character
                offset += 1
            }
        }
        target[offset] = 0
        return offset + 1
    }
}
