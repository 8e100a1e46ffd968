import Glibc

/// A program that a test starts, and ends with the test.
final class ChildProgram {
    private let identifier: pid_t
    private let output: Int32

    /// Whether the program is there to be run.
    static func exists(_ path: String) -> Bool { access(path, X_OK) == 0 }

    init(_ path: String, _ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw TestFailure("pipe: \(errno)") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        // What tests beside this one have open must end when they close it.
        for other in 3..<Int32(min(8_192, sysconf(Int32(_SC_OPEN_MAX)))) {
            posix_spawn_file_actions_addclose(&actions, other)
        }
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer {
            for word in words { free(word) }
            posix_spawn_file_actions_destroy(&actions)
            close(ends[1])
        }
        var identifier: pid_t = 0
        let error = posix_spawn(&identifier, path, &actions, nil, &words, environ)
        guard error == 0 else { throw TestFailure("\(path): \(error)") }
        self.identifier = identifier
        output = ends[0]
    }

    /// Everything the program prints until it ends by itself.
    func readToEnd() -> String {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var entry = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, ShardSide.timeout) > 0 else { break }
            let count = read(output, &buffer, buffer.count)
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    deinit {
        kill(identifier, SIGKILL)
        var status: Int32 = 0
        waitpid(identifier, &status, 0)
        close(output)
    }
}
