internal import CRingway
internal import Glibc
internal import RingwayConversation

/// Files of a few octets, read and written whole.
enum SmallFile {
    /// The first 64 KiB of a file, or `nil` when it cannot be read.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = ringway_open(path, O_RDONLY, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while contents.count < 65_536 {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return count == 0 ? contents : nil }
            contents += buffer[..<count]
        }
        return contents
    }

    /// Writes a file in place, because something may be mounted over it.
    static func write(_ contents: String, to path: String) throws(AgentFailure) {
        let descriptor = ringway_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard descriptor >= 0 else { throw AgentFailure(cannot: "write \(path)") }
        defer { close(descriptor) }
        let octets = Array(contents.utf8)
        guard Glibc.write(descriptor, octets, octets.count) == octets.count else {
            throw AgentFailure(cannot: "write \(path)")
        }
    }
}
