/// The simulation's only source of randomness: the same numbers for the same seed on every machine and with every
/// compiler.
///
/// The standard library's range functions are not used, because their use of a generator may change between versions.
public struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// A generator whose numbers depend only on `seed`.
    public init(seed: UInt64) { state = seed }

    /// Sixty-four random bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// The finaliser of SplitMix64 alone, which is a hash of 64 bits.
    @inline(__always)
    public static func mix(_ word: UInt64) -> UInt64 {
        var value = word
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// An independent generator, so that the numbers that one user draws do not change another user's numbers.
    public mutating func split() -> SplitMix64 { SplitMix64(seed: next()) }

    /// A uniformly distributed integer of the range.
    public mutating func integer(_ range: ClosedRange<Int>) -> Int {
        let count = UInt64(range.upperBound - range.lowerBound) + 1
        return range.lowerBound + Int(next().multipliedFullWidth(by: count).high)
    }

    /// A uniformly distributed duration or time of the range, in nanoseconds.
    public mutating func time(_ range: ClosedRange<UInt64>) -> UInt64 {
        let count = range.upperBound - range.lowerBound + 1
        return range.lowerBound + next().multipliedFullWidth(by: count).high
    }

    /// A number in 0..<1.
    public mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// True with the given probability.
    public mutating func chance(_ probability: Double) -> Bool { probability > 0 && fraction() < probability }

    /// One of the elements. The array must not be empty.
    public mutating func pick<Element>(_ elements: [Element]) -> Element { elements[integer(0...elements.count - 1)] }

    /// An integer of `0...limit` whose number of binary digits is uniformly distributed, rather than its value.
    public mutating func skewed(_ limit: Int) -> Int {
        guard limit > 0 else { return 0 }
        let bits = Int.bitWidth - limit.leadingZeroBitCount
        let chosen = integer(0...bits)
        guard chosen > 0 else { return 0 }
        let low = 1 << (chosen - 1)
        return min(limit, integer(low...(low * 2 - 1)))
    }
}
