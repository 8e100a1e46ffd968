internal import CRingway
internal import Glibc

/// The mounts of a process, and their propagation (proc(5), mountinfo).
struct MountTable {
    /// The peer group of each shared mount, by the mount's ID.
    private var shared: [UInt64: Substring] = [:]
    /// The peer groups from which a mount of the process receives mounts, as a peer or as a slave.
    private var received: Set<Substring> = []
    private var numbers: Set<UInt64> = []

    init(of process: String) {
        var text: [UInt8] = []
        let file = ringway_open("/proc/\(process)/mountinfo", O_RDONLY, 0)
        defer { if file >= 0 { close(file) } }
        // The table may be large: about 100 bytes per mount, and by default up to 100,000 mounts in a namespace.
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { buffer in
            while file >= 0, text.count < 64 << 20 {
                let count = read(file, buffer.baseAddress, buffer.count)
                guard count > 0 else { break }
                text += buffer[..<count]
            }
        }
        self.init(parsing: String(decoding: text, as: UTF8.self))
    }

    init(parsing text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            guard words.count > 6, let number = UInt64(words[0]) else { continue }
            numbers.insert(number)
            // A line has number, parent, device, root, mount point, options, then optional fields up to a hyphen.
            for field in words[6...].prefix(while: { $0 != "-" }) {
                let parts = field.split(separator: ":")
                guard parts.count == 2 else { continue }
                if parts[0] == "shared" { shared[number] = parts[1] }
                if parts[0] == "shared" || parts[0] == "master" || parts[0] == "propagate_from" {
                    received.insert(parts[1])
                }
            }
        }
    }

    /// Whether mounts made below the mount with this ID may propagate to a mount of `other`. True also if this table
    /// has no such mount.
    func propagates(_ mount: UInt64, to other: MountTable) -> Bool {
        guard numbers.contains(mount) else { return true }
        return shared[mount].map { other.received.contains($0) } ?? false
    }
}
