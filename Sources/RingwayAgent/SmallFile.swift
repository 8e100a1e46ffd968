internal import CRingway
internal import Glibc

/// Reading of small files.
enum SmallFile {
    /// Reads a file until its end, or until at least `limit` bytes are read. Returns `nil` if it cannot be read.
    static func read(_ path: String, upTo limit: Int = 65_536) -> [UInt8]? {
        let descriptor = ringway_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while contents.count < limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return count == 0 ? contents : nil }
            contents += buffer[..<count]
        }
        return contents
    }
}
