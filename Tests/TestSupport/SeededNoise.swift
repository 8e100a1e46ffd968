/// SplitMix64: the same numbers for the same seed on every machine, so that a failure is repeated from its seed.
public struct SeededNoise: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    /// A generator whose every number follows from `seed`.
    @inlinable
    public init(seed: UInt64) { state = seed }

    /// Sixty-four random bits.
    @inlinable
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// A number of `0..<bound`; the bound is above zero.
    @inlinable
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Random bytes, each from a number of its own.
    @inlinable
    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
