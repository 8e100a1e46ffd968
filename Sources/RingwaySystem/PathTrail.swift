internal import CRingway
internal import Glibc

/// Every directory entry that the kernel resolves on the way to a file, including symbolic links at any place.
///
/// All of them must be watched to detect that a path now leads to another file. For example, `/etc/resolv.conf` may be
/// a link to `../run/systemd/resolve/stub-resolv.conf`, whose directory is recreated at each start of its service.
///
/// Bytes of a path that are not UTF-8 are represented as ringway_text.h says.
public struct PathTrail: Equatable {
    /// The most symbolic links, as in the kernel (path_resolution(7)).
    static let mostLinks = 40

    /// The names that are looked up in each directory, up to and including the first one that does not exist.
    public private(set) var entries: [String: Set<String>] = [:]

    /// The path without links; `nil` if there is no file.
    public private(set) var file: String?

    public init(to path: String) {
        var pending = Self.components(path)
        pending.reverse()
        var directory: [String] = path.hasPrefix("/") ? [] : Self.components(Self.workingDirectory)
        var links = 0
        while let component = pending.popLast() {
            if component == ".." {
                _ = directory.popLast()
                continue
            }
            let parent = "/" + directory.joined(separator: "/")
            entries[parent, default: []].insert(component)
            let step = parent == "/" ? "/" + component : parent + "/" + component
            switch Self.look(at: step) {
            case .nothing:
                return
            case .entry:
                directory.append(component)
            case .link(let target):
                links += 1
                guard links <= Self.mostLinks else { return }
                if target.hasPrefix("/") { directory = [] }
                pending += Self.components(target).reversed()
            }
        }
        file = "/" + directory.joined(separator: "/")
    }

    private enum Step {
        case nothing
        case entry
        case link(target: String)
    }

    private static func look(at path: String) -> Step {
        guard let bytes = ringway_text_bytes(path) else { return .nothing }
        defer { free(bytes) }
        var status = stat()
        guard lstat(bytes, &status) == 0 else { return .nothing }
        guard status.st_mode & S_IFMT == S_IFLNK else { return .entry }
        // One byte remains for the terminating zero, which readlink(2) does not write.
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard readlink(bytes, &target, target.count - 1) > 0, let destination = Self.text(target) else {
            return .nothing
        }
        return .link(target: destination)
    }

    private static var workingDirectory: String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return text(path) ?? "/"
    }

    private static func text(_ bytes: UnsafePointer<CChar>) -> String? {
        guard let text = ringway_text_from_bytes(bytes) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    private static func components(_ path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }
    }
}
