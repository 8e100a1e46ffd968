public import RingwayModel

// Addresses in packets: in network order, at any alignment. Callers have already checked the length.

extension MACAddress {
    /// Reads six bytes.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        self.init(rawValue: UInt64(bytes.word32(0)) << 16 | UInt64(bytes.word16(4)))
    }

    /// Writes six bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store32(UInt32(truncatingIfNeeded: rawValue >> 16), 0)
        bytes.store16(UInt16(truncatingIfNeeded: rawValue), 4)
    }
}

extension IPv4Address {
    /// Reads four bytes.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        self.init(rawValue: bytes.word32(0))
    }

    /// Writes four bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store32(rawValue, 0)
    }
}

extension IPv6Address {
    /// Reads sixteen bytes.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        self.init(high: bytes.word64(0), low: bytes.word64(8))
    }

    /// Writes sixteen bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store64(high, 0)
        bytes.store64(low, 8)
    }
}
