internal import Glibc

/// Every directory entry that the kernel resolves on the way to a file, including symbolic links at any place.
///
/// All of them must be watched to detect that a path now leads to another file. For example, `/etc/resolv.conf` may be
/// a link to `../run/systemd/resolve/stub-resolv.conf`, whose directory is recreated at each start of its service.
struct PathTrail: Equatable {
    /// The most symbolic links, as in the kernel (path_resolution(7)).
    static let mostLinks = 40

    /// The names that are looked up in each directory, up to and including the first one that does not exist.
    private(set) var entries: [String: Set<String>] = [:]

    /// The path without links; `nil` if there is no file.
    private(set) var file: String?

    init(to path: String) {
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
        var status = stat()
        guard lstat(path, &status) == 0 else { return .nothing }
        guard status.st_mode & S_IFMT == S_IFLNK else { return .entry }
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(path, &target, target.count)
        return length <= 0 ? .nothing : .link(target: String(decoding: target.prefix(length), as: UTF8.self))
    }

    private static var workingDirectory: String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }

    private static func components(_ path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }
    }
}
