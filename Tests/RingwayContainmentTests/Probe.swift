import FoundationEssentials
import Glibc
import TestSupport

/// The program that makes one system call in a thread that is contained.
enum Probe {
    struct Failure: Error {
        let text: String
    }

    /// Beside the bundle of the tests, which is mapped into this process.
    private static let path: String = {
        let bundle = ".xctest"
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        guard let line = maps.split(separator: "\n").first(where: { $0.hasSuffix(bundle) }),
            let start = line.firstIndex(of: "/"), let end = line.lastIndex(of: "/")
        else { return "sandbox-probe" }
        return line[start..<end] + "/sandbox-probe"
    }()

    /// The status of wait(2), and the line that the program prints.
    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure(text: "pipe: \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var child: pid_t = 0
        let error = posix_spawn(&child, path, &actions, nil, &words, environ)
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
        close(ends[1])
        defer { close(ends[0]) }
        guard error == 0 else { throw Failure(text: "\(path): \(String(cString: strerror(error)))") }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = max(0, read(ends[0], &bytes, bytes.count))
        var status: Int32 = 0
        waitpid(child, &status, 0)
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        return (status, text.hasSuffix("\n") ? String(text.dropLast()) : text)
    }
}
