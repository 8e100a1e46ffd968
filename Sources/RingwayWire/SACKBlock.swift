/// A run of octets that arrived beyond a gap (RFC 2018 §3).
@frozen
public struct SACKBlock: Equatable, Sendable, BitwiseCopyable {
    /// The first octet of the run.
    public var start: SequenceNumber
    /// The octet after the last one.
    public var end: SequenceNumber

    /// A run of octets.
    @inlinable
    public init(start: SequenceNumber, end: SequenceNumber) {
        self.start = start
        self.end = end
    }
}
