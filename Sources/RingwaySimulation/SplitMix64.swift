/// The simulation's only source of chance: the same numbers for the same seed on every machine and with every compiler.
///
/// The standard library's range functions are not used, because how they consume a generator is not promised.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator whose whole future follows from `seed`.
    public init(seed: UInt64) { state = seed }

    /// Sixty-four random bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// The finaliser alone: a hash of one word.
    @inline(__always)
    public static func mix(_ word: UInt64) -> UInt64 {
        var value = word
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// A generator of its own, so that one part's appetite for numbers does not shift another part's.
    public mutating func split() -> SplitMix64 { SplitMix64(seed: next()) }

    /// An integer of the range, each about as likely.
    public mutating func integer(_ range: ClosedRange<Int>) -> Int {
        let count = UInt64(range.upperBound - range.lowerBound) + 1
        return range.lowerBound + Int(next().multipliedFullWidth(by: count).high)
    }

    /// A duration or instant of the range, nanoseconds.
    public mutating func time(_ range: ClosedRange<UInt64>) -> UInt64 {
        let count = range.upperBound - range.lowerBound + 1
        return range.lowerBound + next().multipliedFullWidth(by: count).high
    }

    /// A number below one.
    public mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// True with the given probability.
    public mutating func chance(_ probability: Double) -> Bool { probability > 0 && fraction() < probability }

    /// One of the elements. The array must not be empty.
    public mutating func pick<Element>(_ elements: [Element]) -> Element { elements[integer(0...elements.count - 1)] }

    /// An integer of `0...limit` whose magnitude, rather than whose value, is evenly spread.
    public mutating func skewed(_ limit: Int) -> Int {
        guard limit > 0 else { return 0 }
        let bits = Int.bitWidth - limit.leadingZeroBitCount
        let chosen = integer(0...bits)
        guard chosen > 0 else { return 0 }
        let low = 1 << (chosen - 1)
        return min(limit, integer(low...(low * 2 - 1)))
    }
}
