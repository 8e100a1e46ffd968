import Foundation

/// A few milliseconds between two checks of a condition.
func pause() { usleep(5_000) }

/// The two ends of a pipe, close-on-exec.
func makePipe() throws -> [Int32] {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw TestFailure("pipe: \(errno)") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return ends
}

/// A program started by a test. Its output goes to files, so that it never blocks on a reader.
final class Program {
    /// A program's exit status and output.
    struct Outcome {
        /// The status as in a shell: 128 and the signal's number if a signal ended it.
        let status: Int32
        let output: String
        let errors: String
    }

    let name: String
    let identifier: pid_t
    private let outputPath: String
    private let errorPath: String
    private var input: Int32
    private var status: Int32?

    /// Starts a program in its own process group.
    ///
    /// - Parameters:
    ///   - files: the prefix of two file names for its output.
    ///   - keepsInput: whether its standard input stays open until `closeInput`; otherwise it is empty.
    ///   - notice: a descriptor that the program gets as its descriptor 3.
    init(_ arguments: [String], files: String, keepsInput: Bool = false, notice: Int32? = nil) throws {
        name = arguments.joined(separator: " ")
        outputPath = files + ".out"
        errorPath = files + ".err"
        var ends: [Int32] = [-1, -1]
        if keepsInput {
            ends = try makePipe()
        } else {
            ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)
        }
        input = ends[1]
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        // A network's state must be removed with the bed.
        let directory = (files as NSString).deletingLastPathComponent
        let environment = Self.environment + ["XDG_STATE_HOME=\(directory)"]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer {
            for word in words + variables { free(word) }
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
            close(ends[0])
        }
        // Signals that the test runner has blocked or ignored must not affect the program.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        if let notice { posix_spawn_file_actions_adddup2(&actions, notice, 3) }
        guard let path = arguments[0].hasPrefix("/") ? arguments[0] : Machine.path(of: arguments[0]) else {
            throw TestFailure("\(arguments[0]) is not installed")
        }
        var child: pid_t = 0
        let error = posix_spawn(&child, path, &actions, &attributes, &words, &variables)
        guard error == 0 else { throw TestFailure("\(path): \(String(cString: strerror(error)))") }
        identifier = child
    }

    private static let environment: [String] = {
        var variables = ProcessInfo.processInfo.environment
        variables["PATH"] = Machine.searchPath
        variables["LC_ALL"] = "C.UTF-8"
        variables["XDG_STATE_HOME"] = nil
        variables["SWIFT_BACKTRACE"] = "enable=no"
        return variables.map { "\($0.key)=\($0.value)" }
    }()

    var output: String { Self.contents(of: outputPath) }
    var errors: String { Self.contents(of: errorPath) }

    private static func contents(of path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    /// Whether it is running; reaps it when it has ended.
    var isRunning: Bool {
        guard status == nil else { return false }
        var value: Int32 = 0
        guard waitpid(identifier, &value, WNOHANG) == identifier else { return true }
        let signal = value & 0x7F
        status = signal == 0 ? (value >> 8) & 0xFF : 128 + signal
        return false
    }

    /// Waits for the program to end by itself.
    func waitForEnd(within limit: Duration = .seconds(60)) throws -> Outcome {
        do {
            try waitUntil("the end of \(name)", within: limit) { !isRunning }
        } catch {
            throw TestFailure("\(error)\n\(output.suffix(2000))\(errors.suffix(2000))")
        }
        return Outcome(status: status ?? -1, output: output, errors: errors)
    }

    /// Waits until the program has printed a text; fails if it ends before.
    func waitForOutput(_ text: String, within limit: Duration = .seconds(20)) throws {
        try waitUntil("\"\(text)\" from \(name)", within: limit) {
            let isRunning = isRunning
            if output.contains(text) { return true }
            guard isRunning else { throw TestFailure("\(name) ended: \(output)\(errors)") }
            return false
        }
    }

    /// Waits until the program has printed a text to standard error; fails if it ends before.
    func waitForErrors(_ text: String, within limit: Duration = .seconds(20)) throws {
        try waitUntil("\"\(text)\" from \(name)", within: limit) {
            let isRunning = isRunning
            if errors.contains(text) { return true }
            guard isRunning else { throw TestFailure("\(name) ended: \(output)\(errors)") }
            return false
        }
    }

    func send(_ signal: Int32) {
        // A program that has ended and was not waited for is a zombie, so its number cannot have been reused.
        if status == nil { kill(identifier, signal) }
    }

    func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Kills the program if it is running, and its children.
    func end() {
        closeInput()
        guard isRunning else { return }
        kill(-identifier, SIGTERM)
        try? waitUntil("the end of \(name)", within: .seconds(3)) { !isRunning }
        if isRunning {
            kill(-identifier, SIGKILL)
            try? waitUntil("the end of \(name)", within: .seconds(3)) { !isRunning }
        }
    }
}

extension Program.Outcome {
    /// The output of a program that must succeed.
    func requireSuccess() throws -> String {
        guard status == 0 else { throw TestFailure("status \(status): \(errors.suffix(2000))\(output.suffix(2000))") }
        return output
    }
}
