import CRingway
import Glibc
import Testing

extension Tag {
    /// Makes namespaces and interfaces with the real kernel.
    @Tag static var kernel: Self
}

/// A program started by a test, with its output in a file and a timeout.
final class RunningProgram {
    /// The `ringway` that was built beside the tests.
    static let ringway: String? = {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        guard let slash = bundle.lastIndex(of: "/") else { return nil }
        var directory = bundle[..<slash]
        if let end = directory.firstRange(of: ".xctest")?.lowerBound {
            directory = directory[..<(directory[..<end].lastIndex(of: "/") ?? end)]
        }
        let path = "\(directory)/ringway"
        return access(path, X_OK) == 0 ? path : nil
    }()

    /// Whether this machine and user can create guests.
    static let canMakeGuests: Bool = {
        let device = ringway_tap_open()
        if device >= 0 { close(device) }
        return device >= 0 && geteuid() == 0 && ringway != nil
    }()

    /// The result of an ended program.
    struct Outcome {
        /// The exit status, or 128 and the signal.
        let status: Int32
        /// Standard output.
        let output: String
        /// Standard error.
        let errors: String
    }

    let identifier: pid_t
    private let output: Int32
    private let errors: Int32
    private var hasEnded = false

    /// Starts the program with these arguments; it gets no input.
    init(_ arguments: [String]) throws {
        output = Self.makeFile()
        errors = Self.makeFile()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        // Descriptors of concurrent tests must be closed in the child.
        for other in 3..<Int32(min(8_192, sysconf(Int32(_SC_OPEN_MAX)))) {
            posix_spawn_file_actions_addclose(&actions, other)
        }
        var pointers = arguments.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var child: pid_t = 0
        let result = posix_spawnp(&child, arguments[0], &actions, nil, pointers, environ)
        try #require(result == 0, "\(arguments[0]): \(String(cString: strerror(result)))")
        identifier = child
    }

    /// An unlinked file.
    private static func makeFile() -> Int32 {
        var name = Array("/tmp/ringway-test-XXXXXX".utf8CString)
        let file = mkstemp(&name)
        unlink(name)
        return file
    }

    /// Starts `ringway` with these arguments.
    static func ringway(_ arguments: String...) throws -> RunningProgram {
        try RunningProgram([try #require(ringway)] + arguments)
    }

    deinit {
        if !hasEnded {
            kill(identifier, SIGKILL)
            var value: Int32 = 0
            _ = ringway_take_change(identifier, true, &value)
        }
        close(output)
        close(errors)
    }

    /// Waits for the end; a program that runs longer than `seconds` is killed and fails the test.
    func wait(seconds: Int = 20) throws -> Outcome {
        let process = ringway_process_descriptor(identifier)
        defer { close(process) }
        var entry = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        let isOver = poll(&entry, 1, Int32(seconds * 1000)) == 1
        if !isOver { kill(identifier, SIGKILL) }
        var value: Int32 = 0
        let change = ringway_take_change(identifier, true, &value)
        hasEnded = true
        try #require(isOver, "it did not end by itself: \(text(errors))")
        return Outcome(
            status: change == ringway_change_exited ? value : 128 + value, output: text(output), errors: text(errors))
    }

    /// Waits until the program has written this to its standard output.
    func waitForOutput(_ expected: String, seconds: Int = 10) throws {
        for _ in 0..<(seconds * 100) {
            if text(output).contains(expected) { return }
            usleep(10_000)
        }
        Issue.record("it never said \"\(expected)\": \(text(output)) \(text(errors))")
    }

    /// The number in the program's first line.
    func numberSaid() throws -> pid_t {
        try waitForOutput("\n")
        return try #require(pid_t(text(output).prefix { $0 != "\n" }))
    }

    private func text(_ file: Int32) -> String {
        let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
            count = max(0, pread(file, buffer.baseAddress, buffer.count, 0))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
