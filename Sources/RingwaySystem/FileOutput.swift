internal import Glibc

/// Writing to files.
public enum FileOutput {
    /// Writes all of the bytes. False, with the reason in `errno`, if that fails; a part of them may be written then.
    ///
    /// A single write(2) may write a part without an error, for example on a disk that is nearly full: only the next
    /// one says why.
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
