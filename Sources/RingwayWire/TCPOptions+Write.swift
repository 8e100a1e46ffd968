extension TCPOptions {
    /// Octets that `write(to:)` produces: a multiple of four, at most 40.
    @inlinable public var encodedLength: Int {
        (maximumSegmentSize == nil ? 0 : 4) &+ (windowScale == nil ? 0 : 4) &+ (sackPermitted ? 4 : 0)
            &+ (timestamps == nil ? 0 : TimestampOption.paddedLength)
            &+ (sackBlockCount == 0 ? 0 : 4 &+ 8 &* sackBlockCount)
    }

    /// Writes every option that is set, each padded to four octets, and returns how many octets that took. Meant for
    /// the options of a SYN, or for the blocks of an acknowledgement.
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

    /// Adds a block to be written; the fifth and later ones are ignored.
    @inlinable
    public mutating func append(_ block: SACKBlock) {
        guard sackBlockCount < Self.sackBlockLimit else { return }
        sackBlocks[sackBlockCount] = block
        sackBlockCount &+= 1
    }
}
