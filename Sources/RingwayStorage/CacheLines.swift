/// Sizes that keep data of different threads on different cache lines.
///
/// Processors exchange cache lines of 64 bytes, and many prefetch the neighbouring line. Two shards that write within
/// 128 bytes of each other would cause a transfer on each write (false sharing).
public enum CacheLines {
    /// The size and alignment, in bytes, of a block that only one thread may write.
    @inlinable public static var reach: Int { 128 }

    /// `byteCount` rounded up to a multiple of `reach`, at least `reach`.
    @inlinable public static func whole(_ byteCount: Int) -> Int { max(reach, (byteCount + reach - 1) & ~(reach - 1)) }
}
