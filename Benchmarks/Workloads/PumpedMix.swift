/// Which frames a pump repeats.
public enum PumpedKind: String, Sendable {
    /// Super-frames of 64,240 bytes from the guest.
    case receive
    /// The same from the host, each acknowledged by the guest.
    case transmit
    /// Segments of 64 bytes from the guest.
    case segments

    var payload: Int { self == .segments ? 64 : 64_240 }
}

/// How many of a turn's frames belong to the shard they arrive at, and how many to the next one.
public struct PumpedMix: Sendable {
    public let local: Int
    public let foreign: Int

    /// - Parameter percent: the share of foreign frames.
    public init(percent: Int) {
        foreign = (20 * percent + 50) / 100
        local = 20 - foreign
    }
}
