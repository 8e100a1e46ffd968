internal import Glibc

/// Writing to files.
public enum FileOutput {
    /// Writes all of the bytes.
    ///
    /// When write(2) stops early, for example on a disk that is nearly full, it returns a count and no error. The
    /// next write(2) then returns the error.
    ///
    /// - Returns: false, with the reason in `errno`, on failure. A part of the bytes may then have been written.
    public static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count != 0 else {
                errno = ENOSPC
                return false
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
