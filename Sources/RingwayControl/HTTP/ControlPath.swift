internal import Glibc
internal import Ringway

/// Where control sockets are.
public enum ControlPath {
    /// The name of the network that has none.
    public static let standardName = "default"

    private static let suffix = ".sock"
    private static let ofRoot = "/run/ringway"

    /// The directory for the sockets of the caller's networks; `nil` for an ordinary user without XDG_RUNTIME_DIR.
    public static var directory: String? {
        if let runtime = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), runtime.hasPrefix("/") {
            return runtime + "/ringway"
        }
        return geteuid() == 0 ? ofRoot : nil
    }

    /// The directories in which the caller's networks are looked for. Root's networks are in either, because a service has
    /// no XDG_RUNTIME_DIR and a login has.
    public static var directories: [String] {
        guard let directory else { return [] }
        return geteuid() == 0 && directory != ofRoot ? [directory, ofRoot] : [directory]
    }

    /// Where root's networks are, if there may be some that the caller cannot see.
    public static var hidden: String? { geteuid() != 0 && access(ofRoot, F_OK) == 0 ? ofRoot : nil }

    /// The socket that a network of this name is to have.
    public static func path(of name: String) -> String? { directory.map { "\($0)/\(name)\(suffix)" } }

    /// The socket that a network of this name has, or would have.
    public static func existingPath(of name: String) -> String? {
        directories.map { "\($0)/\(name)\(suffix)" }.first { access($0, F_OK) == 0 } ?? path(of: name)
    }

    /// Every control socket in the caller's directories, by name.
    public static var sockets: [(name: String, path: String)] {
        directories.flatMap { directory in
            files(in: directory).filter { $0.hasSuffix(suffix) && !$0.hasPrefix(".") }
                .map { String($0.dropLast(suffix.count)) }.sorted()
                .map { (name: $0, path: "\(directory)/\($0)\(suffix)") }
        }
    }

    private static func files(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    /// Makes the directory, for the caller alone. One that is there must be the caller's, or root's.
    ///
    /// - Returns: `nil`, or why it cannot be had.
    public static func makeDirectory() -> String? {
        guard let directory else { return String(cString: strerror(ENOENT)) }
        return PrivateDirectory.make(directory)
    }
}
