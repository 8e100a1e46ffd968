/// Bytes read front to back; past the end everything is zero, so that every script means something.
struct ScriptReader {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ octets: UnsafeRawBufferPointer) { rest = octets[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func octet() -> UInt8 { rest.popFirst() ?? 0 }

    /// An unsigned integer of `count` bytes, the lowest first.
    mutating func integer(_ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(octet()) << UInt64(8 * index) }
        return value
    }

    mutating func octets(_ count: Int) -> [UInt8] {
        let taken = [UInt8](rest.prefix(count))
        rest = rest.dropFirst(count)
        return taken
    }
}
