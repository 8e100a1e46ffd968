public import RingwayModel

// Loads and stores of addresses in network byte order, at any alignment. Callers have already checked the length.

extension MACAddress {
    /// Reads an address from six bytes.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        self.init(rawValue: UInt64(bytes.word32(0)) << 16 | UInt64(bytes.word16(4)))
    }

    /// Writes the address as six bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store32(UInt32(truncatingIfNeeded: rawValue >> 16), 0)
        bytes.store16(UInt16(truncatingIfNeeded: rawValue), 4)
    }
}

extension IPv4Address {
    /// Reads an address from four bytes.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        self.init(rawValue: bytes.word32(0))
    }

    /// Writes the address as four bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store32(rawValue, 0)
    }
}

extension IPv6Address {
    /// Reads an address from sixteen bytes.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        self.init(high: bytes.word64(0), low: bytes.word64(8))
    }

    /// Writes the address as sixteen bytes.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store64(high, 0)
        bytes.store64(low, 8)
    }
}
