internal import CRingway

/// `CLOCK_MONOTONIC`. Instants and spans are nanoseconds in one word.
public enum MonotonicClock {
    public static func now() -> UInt64 { ringway_monotonic_nanoseconds() }
}
