internal import CRingway

/// Reads `CLOCK_MONOTONIC`. Instants and durations are nanoseconds in a `UInt64`.
public enum MonotonicClock {
    public static func now() -> UInt64 { ringway_monotonic_nanoseconds() }
}
