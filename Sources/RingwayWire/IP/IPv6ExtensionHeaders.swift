/// The extension headers between an IPv6 header and its transport header (RFC 8200 §4).
///
/// Parsing stops at the first header that is neither options, routing nor fragment, and at a fragment header of an
/// actual fragment. An *atomic* fragment header (offset zero, no more fragments) is skipped, as RFC 6946 requires.
@frozen
public struct IPv6ExtensionHeaders: Equatable, Sendable, BitwiseCopyable {
    /// The fields of a fragment header.
    @frozen
    public struct Fragment: Equatable, Sendable, BitwiseCopyable {
        /// Bytes of a fragment header.
        @inlinable public static var headerLength: Int { 8 }

        /// The fragment's offset in the fragmentable part, in bytes.
        public var offset: Int
        /// Set unless this is the last fragment.
        public var more: Bool
        /// Identifies the fragments of one packet.
        public var identification: UInt32

        /// The fields of a fragment header.
        @inlinable
        public init(offset: Int, more: Bool, identification: UInt32) {
            self.offset = offset
            self.more = more
            self.identification = identification
        }

        /// Writes the eight bytes of a fragment header.
        @inlinable
        public func write(to target: UnsafeMutableRawPointer, nextHeader: UInt8) {
            target.store16(UInt16(nextHeader) << 8, 0)
            target.store16(UInt16(truncatingIfNeeded: offset) & 0xFFF8 | (more ? 1 : 0), 2)
            target.store32(identification, 4)
        }
    }

    /// The most extension headers; a packet with more is refused. Real packets have at most three.
    @inlinable public static var countLimit: Int { 8 }

    /// The protocol of the header after the extension headers. In a fragment it is the protocol of the first header
    /// in the fragmentable part of the original packet.
    public var finalProtocol: UInt8
    /// The total length of the extension headers, in bytes.
    public var offset: Int
    /// The fragment header, if the packet is a fragment.
    public var fragment: Fragment?

    @inlinable
    init(finalProtocol: UInt8, offset: Int, fragment: Fragment?) {
        self.finalProtocol = finalProtocol
        self.offset = offset
        self.fragment = fragment
    }

    /// Parses the chain at the start of an IPv6 payload.
    ///
    /// Returns `nil` if the chain exceeds the payload, is longer than `countLimit`, or has hop-by-hop options
    /// anywhere but first. The result is also `nil` if a routing header has segments left, because the receiver would
    /// have to forward such a packet.
    @inlinable
    public static func walk(firstHeader: UInt8, payload: UnsafeRawBufferPointer) -> Self? {
        var next = firstHeader
        var offset = 0
        var count = 0
        while next == IPProtocol.hopByHopOptions || next == IPProtocol.destinationOptions || next == IPProtocol.routing
            || next == IPProtocol.fragment
        {
            guard count < countLimit, payload.count &- offset >= 8, let base = payload.baseAddress else { return nil }
            let header = base + offset
            var length = 8
            switch next {
            case IPProtocol.fragment:
                let place = header.word16(2)
                if place & 0xFFF9 != 0 {
                    let fragment = Fragment(
                        offset: Int(place & 0xFFF8), more: place & 1 != 0, identification: header.word32(4))
                    return Self(finalProtocol: header.byte(0), offset: offset &+ 8, fragment: fragment)
                }
            case IPProtocol.routing:
                guard header.byte(3) == 0 else { return nil }
                length = (Int(header.byte(1)) &+ 1) &* 8
            case IPProtocol.hopByHopOptions:
                guard count == 0 else { return nil }
                length = (Int(header.byte(1)) &+ 1) &* 8
            default:
                length = (Int(header.byte(1)) &+ 1) &* 8
            }
            guard payload.count &- offset >= length else { return nil }
            next = header.byte(0)
            offset &+= length
            count &+= 1
        }
        return Self(finalProtocol: next, offset: offset, fragment: nil)
    }
}
