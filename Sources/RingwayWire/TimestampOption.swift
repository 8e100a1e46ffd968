/// The timestamps of a TCP segment (RFC 7323 §3.2).
@frozen
public struct TimestampOption: Equatable, Sendable, BitwiseCopyable {
    /// The sender's clock, in its own ticks (TSval).
    public var value: UInt32
    /// The latest value that the sender has seen from its peer (TSecr); meaningful with ACK.
    public var echo: UInt32

    @inlinable
    public init(value: UInt32, echo: UInt32) {
        self.value = value
        self.echo = echo
    }

    /// Bytes that the option takes, with the padding before it.
    @inlinable public static var paddedLength: Int { 12 }
    /// How the padded option begins: two of no operation, kind and length (RFC 7323, appendix A).
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
    /// The timestamps of the segment; `nil` when it has none, or options that cannot be.
    ///
    /// Kernels put them first and aligned, as RFC 7323's appendix A recommends: then nothing is searched.
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
