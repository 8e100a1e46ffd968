/// The bytes that hexadecimal text describes; white space does not count.
func hex(_ hexadecimal: String) -> [UInt8] {
    var values: [UInt8] = []
    var high: UInt8?
    for digit in hexadecimal.compactMap(\.hexDigitValue) {
        if let first = high {
            values.append(first << 4 | UInt8(digit))
            high = nil
        } else {
            high = UInt8(digit)
        }
    }
    precondition(high == nil, "half a byte")
    return values
}

/// The bytes that `write` leaves in a buffer of `count`, which it finds full of noise.
func written(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        buffer.initialize(repeating: 0xA5)
        if let base = buffer.baseAddress { write(UnsafeMutableRawPointer(base)) }
        initialized = count
    }
}
