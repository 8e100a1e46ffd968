internal import CRingway
internal import Glibc
internal import Ringway

/// The locations of control sockets.
public enum ControlPath {
    /// The name of a network to which the user gave none.
    public static let standardName = "default"

    private static let suffix = ".sock"
    private static let ofRoot = "/run/ringway"

    /// The directory for sockets of the caller's networks; `nil` for an ordinary user without XDG_RUNTIME_DIR.
    public static var directory: String? {
        if let runtime, runtime.hasPrefix("/") { return runtime + "/ringway" }
        return geteuid() == 0 ? ofRoot : nil
    }

    /// The value of XDG_RUNTIME_DIR, in which bytes that are not UTF-8 are represented as ringway_text.h describes.
    private static var runtime: String? {
        guard let bytes = getenv("XDG_RUNTIME_DIR"), let text = ringway_text_from_bytes(bytes) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// The directories to search for the caller's networks. Root with XDG_RUNTIME_DIR has two: networks that were
    /// started in a login session are in $XDG_RUNTIME_DIR/ringway, and those of a service, whose environment lacks
    /// this variable, in /run/ringway.
    public static var directories: [String] {
        guard let directory else { return [] }
        return geteuid() == 0 && directory != ofRoot ? [directory, ofRoot] : [directory]
    }

    /// The directory of root's networks, if it exists and the caller is not root.
    public static var hidden: String? { geteuid() != 0 && ringway_path_exists(ofRoot) ? ofRoot : nil }

    /// The socket path for a new network of this name.
    public static func path(of name: String) -> String? { directory.map { "\($0)/\(name)\(suffix)" } }

    /// The socket path of the network of this name. If there is no such network, the path for a new one.
    public static func existingPath(of name: String) -> String? {
        directories.map { "\($0)/\(name)\(suffix)" }.first { ringway_path_exists($0) } ?? path(of: name)
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
        let descriptor = ringway_open(directory, O_RDONLY | O_DIRECTORY, 0)
        guard descriptor >= 0 else { return [] }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            return []
        }
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

    /// Creates the directory, for the caller alone. An existing one must belong to the caller or root.
    ///
    /// - Returns: `nil`, or why it cannot be used.
    public static func makeDirectory() -> String? {
        guard let directory else { return String(cString: strerror(ENOENT)) }
        return PrivateDirectory.make(directory)
    }
}
