internal import CRingway
internal import Glibc

/// A file of lines, or standard input.
enum TextFile {
    /// The lines of a file, without their newlines.
    ///
    /// - Parameter path: `-` for standard input.
    static func lines(of path: String) throws(CommandFailure) -> [Substring] {
        let descriptor = path == "-" ? STDIN_FILENO : ringway_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { throw CommandFailure("cannot read \(path): \(String(cString: strerror(errno)))") }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandFailure("cannot read \(path): \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += piece.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }
}
