internal import CRingway
internal import Glibc

/// Where the agent's name servers go, so that nothing is written that is not the guest's own.
enum ResolverPlace: Equatable {
    /// Into this file: the user named it, or the machine is the guest.
    case file(String)
    /// Over this file, by a mount that is seen in none but the agent's own mount namespace.
    case mount(String)
    /// Nowhere. The reason is a line for the user, where there is one.
    case nowhere(String?)

    static let standardPath = "/etc/resolv.conf"

    /// What the agent sees of the namespaces that it is in.
    struct Surroundings: Equatable {
        /// Whether the first process has the agent's network namespace, or mount namespace; `nil` when that is not to be
        /// found out.
        var sharesNetwork: Bool?
        var sharesMounts: Bool?
        /// Whether a mount over the file would be seen elsewhere; `nil` when there is no file.
        var propagates: Bool?

        /// Looks around.
        static func look(at path: String) -> Surroundings {
            guard getpid() != 1 else { return Surroundings(sharesNetwork: true, sharesMounts: true, propagates: nil) }
            return Surroundings(
                sharesNetwork: shares("net"), sharesMounts: shares("mnt"), propagates: MountTable.propagates(path))
        }

        private static func shares(_ kind: String) -> Bool? {
            guard let own = link("/proc/self/ns/\(kind)"), let first = link("/proc/1/ns/\(kind)") else { return nil }
            return own == first
        }

        private static func link(_ path: String) -> String? {
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = buffer.withUnsafeMutableBytes { bytes -> Int in
                guard let start = bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return 0 }
                return readlink(path, start, bytes.count)
            }
            return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
        }
    }

    /// - Parameter named: the file that the user named; empty for nowhere, `nil` for none.
    static func decide(named: String?, _ surroundings: Surroundings, nameServer: String) -> ResolverPlace {
        if let named { return named.isEmpty ? .nowhere(nil) : .file(named) }
        // A machine or container whose network is the agent's is the guest, and so are its files.
        if surroundings.sharesNetwork == true { return .file(standardPath) }
        let advice =
            "; name a file with --resolv-conf FILE, or write \"nameserver \(nameServer)\" to "
            + "/etc/netns/NAME/resolv.conf of the namespace"
        guard surroundings.sharesMounts != true, surroundings.propagates != true else {
            return .nowhere(
                "name servers are not set: \(standardPath) is shared with a machine that has another network; run the "
                    + "agent in a mount namespace of its own (\"ip netns exec\" or \"unshare --mount\")" + advice)
        }
        guard surroundings.propagates != nil else {
            return .nowhere("name servers are not set: there is no \(standardPath) to mount a file over" + advice)
        }
        return .mount(standardPath)
    }
}

/// What the kernel tells of mounts.
enum MountTable {
    /// Whether mounts over a path, symbolic links followed, appear in other mount namespaces too; `nil` when there is
    /// nothing at the path.
    static func propagates(_ path: String) -> Bool? {
        let descriptor = ringway_open_path(path)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard let facts = SmallFile.read("/proc/self/fdinfo/\(descriptor)"),
            let number = number(in: String(decoding: facts, as: UTF8.self)),
            let table = SmallFile.read("/proc/self/mountinfo", upTo: 4 << 20)
        else { return true }
        return isShared(number, in: String(decoding: table, as: UTF8.self))
    }

    private static func number(in facts: String) -> Int? {
        let line = facts.split(separator: "\n").first { $0.hasPrefix("mnt_id:") }
        return line?.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0) }
    }

    /// Whether a mount of a table as proc(5) describes it belongs to a group of peers; one that is not found counts as if
    /// it did.
    static func isShared(_ mount: Int, in table: String) -> Bool {
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, Int(fields[0]) == mount else { continue }
            return fields[6...].prefix { $0 != "-" }.contains { $0.hasPrefix("shared:") }
        }
        return true
    }
}
