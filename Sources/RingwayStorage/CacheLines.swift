/// Keeps memory that is written by different threads apart, on different cache lines.
///
/// Processors exchange cache lines of 64 bytes, and many prefetch the neighbouring line. Two shards that write within
/// 128 bytes of each other would cause a transfer on each write (false sharing).
public enum CacheLines {
    /// Bytes within which only one thread may write.
    @inlinable public static var reach: Int { 128 }

    /// `byteCount` rounded up to whole units of `reach`, at least one.
    @inlinable public static func whole(_ byteCount: Int) -> Int { max(reach, (byteCount + reach - 1) & ~(reach - 1)) }
}
