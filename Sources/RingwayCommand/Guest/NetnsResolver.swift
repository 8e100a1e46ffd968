internal import CRingway
internal import Glibc
internal import Ringway

/// `/etc/netns/NAME/resolv.conf`, which "ip netns exec NAME" bind-mounts on `/etc/resolv.conf`.
///
/// If the user requests it, the file is replaced as a whole, and restored at the end. The former file is kept beside
/// the directory `/etc/netns/NAME`, because "ip netns exec" mounts every file in that directory over the file of the
/// same name in `/etc`. If this process is killed, the kept file remains.
struct NetnsResolver {
    /// The directories in which "ip netns" keeps namespaces by name.
    private static let places = ["/run/netns/", "/var/run/netns/"]

    private let directory: String
    private let name: String

    /// The file for the namespace at a path; `nil` if "ip netns" does not manage that namespace.
    init?(namespace path: String, in directory: String = "/etc/netns") {
        guard let place = Self.places.first(where: { path.hasPrefix($0) }) else { return nil }
        let name = String(path.dropFirst(place.count))
        guard !name.isEmpty, !name.contains("/"), name != ".", name != "..", !ringway_text_is_mixed(name)
        else { return nil }
        self.name = name
        self.directory = directory
    }

    /// The path of the file.
    var path: String { "\(own)/resolv.conf" }
    private var own: String { "\(directory)/\(name)" }
    private var kept: String { "\(directory)/.\(name).resolv.conf.before-ringway" }
    private var fresh: String { "\(directory)/.\(name).resolv.conf.ringway" }

    /// Whether the file exists and has this line.
    func says(_ line: String) -> Bool {
        ResolverConfiguration.hostContents(at: path).split(whereSeparator: \.isNewline).contains { $0 == line }
    }

    var exists: Bool { EntryIdentity(path) != nil }

    /// A file that was written, and what `takeBack` needs to restore the former one.
    struct Written {
        fileprivate let file: NetnsResolver
        fileprivate let contents: String
        fileprivate let identity: EntryIdentity?
        /// The directories that were created for the file, innermost first.
        let made: [String]
    }

    /// Writes the file. If that fails, the files and directories that this call created are removed.
    func write(_ contents: String) throws(CommandFailure) -> Written {
        var made: [String] = []
        do throws(CommandFailure) {
            for path in [directory, own] {
                if mkdir(path, 0o755) == 0 {
                    made.insert(path, at: 0)
                } else if errno != EEXIST {
                    throw failure("make the directory \(path)")
                }
            }
            // The former file is kept unless an earlier run, which was killed, wrote it (`isOurs`). In that case the
            // file before it has already been kept, or there was none.
            if exists, !isOurs, link(path, kept) != 0 {
                guard errno == EEXIST else { throw failure("keep \(path)") }
                // A former file is still kept from an earlier run, after which another program replaced the file at
                // `path`. Neither may be lost. But if that run was killed between the link and the rename, both names
                // are the same file, and it is kept already.
                guard EntryIdentity(kept) == EntryIdentity(path) else {
                    throw CommandFailure(
                        "--write-netns-resolv: cannot keep \(path): there is \(kept) from an earlier run; move one of "
                            + "them away")
                }
            }
            unlink(fresh)
            do throws(GuestFailure) {
                try GuestResolver.write(contents, to: fresh, in: AT_FDCWD)
            } catch {
                throw CommandFailure("\(fresh): \(error.message)")
            }
            let identity = EntryIdentity(fresh)
            guard rename(fresh, path) == 0 else { throw failure("write \(path)") }
            return Written(file: self, contents: contents, identity: identity, made: made)
        } catch {
            unlink(fresh)
            if EntryIdentity(kept) == EntryIdentity(path) { unlink(kept) }
            for path in made { rmdir(path) }
            throw error
        }
    }

    private var isOurs: Bool {
        ResolverConfiguration.hostContents(at: path).hasPrefix(ResolverConfiguration.firstLine)
    }

    private func failure(_ step: String) -> CommandFailure {
        CommandFailure("--write-netns-resolv: cannot \(step): \(String(cString: strerror(errno)))")
    }
}

extension NetnsResolver.Written {
    /// Restores the former file, or removes the written one if there was none. A file that another program has changed
    /// meanwhile is left as it is; the returned message then names it and the kept former file, if there is one.
    func takeBack() -> String? {
        defer { for path in made { rmdir(path) } }
        guard EntryIdentity(file.path) == identity, ResolverConfiguration.hostContents(at: file.path) == contents else {
            guard EntryIdentity(file.kept) != nil else { return nil }
            return "\(file.path) was changed meanwhile and is left as it is; what it was before is in \(file.kept)"
        }
        if rename(file.kept, file.path) != 0 { unlink(file.path) }
        return nil
    }
}
