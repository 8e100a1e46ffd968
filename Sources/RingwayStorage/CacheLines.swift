/// Memory that one thread writes keeps away from memory that another one does.
///
/// Processors move memory between their caches in lines of 64 bytes, and many fetch the neighbouring line too. What two
/// shards write within 128 bytes of each other costs both of them a transfer each time, though they share nothing.
public enum CacheLines {
    /// Bytes within which only one thread may write.
    @inlinable public static var reach: Int { 128 }

    /// `bytes`, and as many more as no allocation may begin in.
    @inlinable public static func whole(_ byteCount: Int) -> Int { max(reach, (byteCount + reach - 1) & ~(reach - 1)) }
}
