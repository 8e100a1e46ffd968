/// The supported TCP options: maximum segment size (RFC 9293 §3.2), window scale and timestamps (RFC 7323) and
/// selective acknowledgement (RFC 2018). Others are skipped.
@frozen
public struct TCPOptions: Sendable {
    /// The largest segment payload that the sender accepts, bytes.
    public var maximumSegmentSize: UInt16?
    /// The shift of the sender's windows, at most `windowScaleLimit`.
    public var windowScale: UInt8?
    /// Whether the sender supports selective acknowledgements.
    public var sackPermitted: Bool
    /// The sender's timestamp, and the timestamp of its peer that the sender echoes.
    public var timestamps: TimestampOption?
    /// The number of valid `sackBlocks`.
    public var sackBlockCount: Int
    /// Ranges of bytes that the sender has received beyond a gap, the most recent first.
    public var sackBlocks: InlineArray<4, SACKBlock>

    /// The largest valid window shift (RFC 7323 §2.3).
    @inlinable public static var windowScaleLimit: UInt8 { 14 }
    /// The number of blocks that fit a header of 60 bytes.
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

    /// Parses the options of a segment, or returns `nil` if one exceeds the header or has an invalid length.
    @inlinable
    public static func parse(_ bytes: UnsafeRawBufferPointer) -> TCPOptions? {
        var options = TCPOptions()
        guard let base = bytes.baseAddress else { return options }
        var offset = 0
        while offset < bytes.count {
            let kind = base.byte(offset)
            if kind == Kind.end { break }
            if kind == Kind.noOperation {
                offset &+= 1
                continue
            }
            guard offset &+ 1 < bytes.count else { return nil }
            let length = Int(base.byte(offset &+ 1))
            guard length >= 2, length <= bytes.count &- offset else { return nil }
            guard options.take(kind, base + (offset &+ 2), length: length) else { return nil }
            offset &+= length
        }
        return options
    }

    /// Stores the value of an option. Returns false if `length`, which includes the kind and length bytes, is invalid
    /// for `kind`.
    @inlinable
    mutating func take(_ kind: UInt8, _ value: UnsafeRawPointer, length: Int) -> Bool {
        switch kind {
        case Kind.maximumSegmentSize:
            guard length == 4 else { return false }
            maximumSegmentSize = value.word16(0)
        case Kind.windowScale:
            guard length == 3 else { return false }
            windowScale = min(value.byte(0), Self.windowScaleLimit)
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
    /// Compares the SACK blocks up to `sackBlockCount`, and all other options.
    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.maximumSegmentSize == rhs.maximumSegmentSize && lhs.windowScale == rhs.windowScale
            && lhs.sackPermitted == rhs.sackPermitted && lhs.timestamps == rhs.timestamps
            && lhs.sackBlockCount == rhs.sackBlockCount
            && (0..<lhs.sackBlockCount).allSatisfy { lhs.sackBlocks[$0] == rhs.sackBlocks[$0] }
    }
}

extension TCPOptions {
    /// Bytes that `write(to:)` produces: a multiple of four, at most 40.
    @inlinable public var encodedLength: Int {
        (maximumSegmentSize == nil ? 0 : 4) &+ (windowScale == nil ? 0 : 4) &+ (sackPermitted ? 4 : 0)
            &+ (timestamps == nil ? 0 : TimestampOption.paddedLength)
            &+ (sackBlockCount == 0 ? 0 : 4 &+ 8 &* sackBlockCount)
    }

    /// Writes every option that is set, each padded to a multiple of four bytes, and returns the number of bytes. Used
    /// for the options of a SYN, and for the SACK blocks of an acknowledgement.
    ///
    /// - Precondition: `encodedLength` is at most 40.
    @inlinable
    @discardableResult
    public func write(to target: UnsafeMutableRawPointer) -> Int {
        precondition(encodedLength <= 40, "options do not fit a TCP header")
        var offset = 0
        if let timestamps {
            timestamps.write(to: target)
            offset &+= TimestampOption.paddedLength
        }
        if let maximumSegmentSize {
            target.store32(UInt32(Kind.maximumSegmentSize) << 24 | 4 << 16 | UInt32(maximumSegmentSize), offset)
            offset &+= 4
        }
        if sackPermitted {
            target.store32(0x0101_0000 | UInt32(Kind.sackPermitted) << 8 | 2, offset)
            offset &+= 4
        }
        if let windowScale {
            target.store32(0x0100_0000 | UInt32(Kind.windowScale) << 16 | 3 << 8 | UInt32(windowScale), offset)
            offset &+= 4
        }
        if sackBlockCount > 0 {
            target.store32(
                0x0101_0000 | UInt32(Kind.sack) << 8 | UInt32(truncatingIfNeeded: 2 &+ 8 &* sackBlockCount), offset)
            offset &+= 4
            for index in 0..<sackBlockCount {
                target.store32(sackBlocks[index].start.rawValue, offset)
                target.store32(sackBlocks[index].end.rawValue, offset &+ 4)
                offset &+= 8
            }
        }
        return offset
    }

    /// Adds a SACK block to be written; the fifth and later ones are ignored.
    @inlinable
    public mutating func append(_ block: SACKBlock) {
        guard sackBlockCount < Self.sackBlockLimit else { return }
        sackBlocks[sackBlockCount] = block
        sackBlockCount &+= 1
    }
}

/// A range of bytes received beyond a gap (RFC 2018 §3).
@frozen
public struct SACKBlock: Equatable, Sendable, BitwiseCopyable {
    /// The first byte of the range.
    public var start: SequenceNumber
    /// The byte after the last one.
    public var end: SequenceNumber

    /// A range of bytes.
    @inlinable
    public init(start: SequenceNumber, end: SequenceNumber) {
        self.start = start
        self.end = end
    }
}

/// The timestamps of a TCP segment (RFC 7323 §3.2).
@frozen
public struct TimestampOption: Equatable, Sendable, BitwiseCopyable {
    /// The sender's clock, in its own ticks (TSval).
    public var value: UInt32
    /// The latest value that the sender has received from its peer, if ACK is set (TSecr).
    public var echo: UInt32

    @inlinable
    public init(value: UInt32, echo: UInt32) {
        self.value = value
        self.echo = echo
    }

    /// The length of the option with the padding before it.
    @inlinable public static var paddedLength: Int { 12 }
    /// The first 32 bits of the padded option: two NOPs, kind and length (RFC 7323, appendix A).
    @inlinable static var beginning: UInt32 { 0x0101_080A }

    /// Writes the option with its padding: twelve bytes.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        target.store32(Self.beginning, 0)
        target.store32(value, 4)
        target.store32(echo, 8)
    }
}

extension TCPHeader {
    /// The timestamps of the segment; `nil` if it has none, or if its options are malformed.
    ///
    /// Most kernels put the timestamps first and aligned, as RFC 7323, appendix A, recommends; they are then read
    /// without a search.
    @inlinable
    public var timestamps: TimestampOption? {
        @inline(__always) get {
            let start = base + Self.minimumLength
            guard headerLength >= Self.minimumLength &+ TimestampOption.paddedLength,
                start.word32(0) == TimestampOption.beginning
            else { return timestampsElsewhere }
            return TimestampOption(value: start.word32(4), echo: start.word32(8))
        }
    }

    @inline(never) @usableFromInline
    var timestampsElsewhere: TimestampOption? { TCPOptions.parse(options)?.timestamps }
}
