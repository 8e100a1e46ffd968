/// The TCP options we act upon: maximum segment size (RFC 9293 §3.2), window scale and timestamps (RFC 7323) and selective
/// acknowledgement (RFC 2018). Others are passed over.
@frozen
public struct TCPOptions: Sendable {
    /// Octets of payload the sender takes in one segment.
    public var maximumSegmentSize: UInt16?
    /// Bits by which the sender's windows are to be shifted left, never above `windowScaleLimit`.
    public var windowScale: UInt8?
    /// Whether the sender understands selective acknowledgements.
    public var sackPermitted: Bool
    /// The sender's clock and what it echoes.
    public var timestamps: TimestampOption?
    /// How many of `sackBlocks` are set.
    public var sackBlockCount: Int
    /// What arrived beyond a gap, the most recent first.
    public var sackBlocks: InlineArray<4, SACKBlock>

    /// RFC 7323 §2.3.
    @inlinable public static var windowScaleLimit: UInt8 { 14 }
    /// Blocks that fit a header of 60 octets.
    @inlinable public static var sackBlockLimit: Int { 4 }

    /// No options.
    @inlinable
    public init() {
        maximumSegmentSize = nil
        windowScale = nil
        sackPermitted = false
        timestamps = nil
        sackBlockCount = 0
        sackBlocks = InlineArray(repeating: SACKBlock(start: SequenceNumber(0), end: SequenceNumber(0)))
    }

    /// Understands the options of a segment, or returns `nil` when one of them runs past the header or has a length
    /// that its kind does not allow.
    @inlinable
    public static func parse(_ bytes: UnsafeRawBufferPointer) -> TCPOptions? {
        var options = TCPOptions()
        guard let base = bytes.baseAddress else { return options }
        var offset = 0
        while offset < bytes.count {
            let kind = base.octet(offset)
            if kind == Kind.end { break }
            if kind == Kind.noOperation {
                offset &+= 1
                continue
            }
            guard offset &+ 1 < bytes.count else { return nil }
            let length = Int(base.octet(offset &+ 1))
            guard length >= 2, length <= bytes.count &- offset else { return nil }
            guard options.take(kind, base + (offset &+ 2), length: length) else { return nil }
            offset &+= length
        }
        return options
    }

    /// Returns false when `length`, which counts kind and length too, is not one that `kind` allows.
    @inlinable
    mutating func take(_ kind: UInt8, _ value: UnsafeRawPointer, length: Int) -> Bool {
        switch kind {
        case Kind.maximumSegmentSize:
            guard length == 4 else { return false }
            maximumSegmentSize = value.word16(0)
        case Kind.windowScale:
            guard length == 3 else { return false }
            windowScale = min(value.octet(0), Self.windowScaleLimit)
        case Kind.sackPermitted:
            guard length == 2 else { return false }
            sackPermitted = true
        case Kind.timestamps:
            guard length == 10 else { return false }
            timestamps = TimestampOption(value: value.word32(0), echo: value.word32(4))
        case Kind.sack:
            let count = (length &- 2) >> 3
            guard length == 2 &+ count &* 8, count >= 1, count <= Self.sackBlockLimit else { return false }
            sackBlockCount = count
            for index in 0..<count {
                let start = SequenceNumber(value.word32(index &* 8))
                sackBlocks[index] = SACKBlock(start: start, end: SequenceNumber(value.word32(index &* 8 &+ 4)))
            }
        default:
            break
        }
        return true
    }

    /// Option kinds (IANA TCP parameters).
    @usableFromInline enum Kind {
        @inlinable static var end: UInt8 { 0 }
        @inlinable static var noOperation: UInt8 { 1 }
        @inlinable static var maximumSegmentSize: UInt8 { 2 }
        @inlinable static var windowScale: UInt8 { 3 }
        @inlinable static var sackPermitted: UInt8 { 4 }
        @inlinable static var sack: UInt8 { 5 }
        @inlinable static var timestamps: UInt8 { 8 }
    }
}

extension TCPOptions: Equatable {
    /// Compares the blocks that are set, and the other options.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.maximumSegmentSize == rhs.maximumSegmentSize && lhs.windowScale == rhs.windowScale
            && lhs.sackPermitted == rhs.sackPermitted && lhs.timestamps == rhs.timestamps
            && lhs.sackBlockCount == rhs.sackBlockCount
            && (0..<lhs.sackBlockCount).allSatisfy { lhs.sackBlocks[$0] == rhs.sackBlocks[$0] }
    }
}
