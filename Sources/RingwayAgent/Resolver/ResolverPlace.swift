internal import CRingway
internal import Glibc

/// Where to write name servers without changing a file that does not belong to the guest.
enum ResolverPlace: Equatable {
    /// In this file: the user named it, or the whole machine is the guest, so that the file belongs to the guest.
    case file(String)
    /// Over this file, by a mount that is only visible in the agent's own mount namespace.
    case mount(String)
    /// Nowhere. The reason, if any, is a message for the user.
    case nowhere(String?)

    static let standardPath = "/etc/resolv.conf"

    /// The namespaces of the agent in relation to those of the machine.
    struct Surroundings: Equatable {
        /// Whether process 1 is in the agent's network namespace, and in its mount namespace; `nil` if unknown.
        var sharesNetwork: Bool?
        var sharesMounts: Bool?
        /// Whether a mount over the file would propagate to other namespaces; `nil` if there is no file.
        var propagates: Bool?

        /// Determines the surroundings.
        static func inspect(at path: String) -> Surroundings {
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

    /// Decides where name servers are written.
    ///
    /// - Parameter named: the file that the user named; empty for nowhere, `nil` if not given.
    static func decide(named: String?, _ surroundings: Surroundings, nameServer: String) -> ResolverPlace {
        if let named { return named.isEmpty ? .nowhere(nil) : .file(named) }
        // If process 1 is in the agent's network namespace, the whole machine or container is the guest, so the file
        // belongs to the guest.
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

/// The kernel's mount table.
enum MountTable {
    /// Whether mounts over a path, after following symbolic links, propagate to other mount namespaces. True if that
    /// is unknown; `nil` if the path cannot be opened.
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

    /// Whether a mount, in a table in the format of proc(5), belongs to a peer group; an unknown mount counts as
    /// shared.
    static func isShared(_ mount: Int, in table: String) -> Bool {
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 6, Int(fields[0]) == mount else { continue }
            return fields[6...].prefix { $0 != "-" }.contains { $0.hasPrefix("shared:") }
        }
        return true
    }
}
