internal import ArgumentParser
internal import CRingway
internal import Glibc

/// The `ringway` program. It is in a library, and the executable only calls it, so that tests can call it, too.
public enum CommandLineEntry {
    /// Parses the command line, runs the command and ends the process.
    public static func run() -> Never {
        // A crash must not start Swift's backtracer, which would write registers and memory to standard error,
        // including payload and tokens. The user can ask for it by SWIFT_BACKTRACE.
        if getenv("SWIFT_BACKTRACE") == nil { ringway_reset_crash_signals() }
        // Two malloc arenas suffice: shards allocate nothing, and threads that create sockets in a namespace allocate
        // almost nothing.
        ringway_limit_arenas()
        StandardDescriptors.fill()
        exit(status(of: arguments))
    }

    /// The arguments after the program's name, as text that represents their bytes (ringway_text.h).
    private static var arguments: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { CommandLine.unsafeArgv[$0].map { SystemText.text($0) } }
    }

    /// Runs the command and returns the exit status. Errors become one line on standard error.
    static func status(of arguments: [String]) -> Int32 {
        var ownFailure = ExitStatus.failure
        do {
            guard !arguments.isEmpty else {
                throw CommandFailure("no command is given; try \"ringway --help\"", status: ExitStatus.usage)
            }
            if let refusal = UsageMessage.unknownCommand(in: arguments) {
                throw CommandFailure(refusal, status: ExitStatus.usage)
            }
            var command = try RootCommand.parseAsRoot(arguments)
            if command is RunCommand { ownFailure = ExitStatus.ownFailure }
            try command.run()
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        } catch let failure as CommandFailure {
            StandardError.write(failure.message)
            return failure.status ?? ownFailure
        } catch {
            return report(error, arguments)
        }
    }

    /// Prints the requested help or version, or one line about an invalid command line.
    private static func report(_ error: any Error, _ arguments: [String]) -> Int32 {
        if RootCommand.exitCode(for: error).isSuccess {
            print(RootCommand.fullMessage(for: error))
            return 0
        }
        StandardError.write(refusal(error, arguments))
        return ExitStatus.usage
    }

    /// One line about an invalid command line.
    static func refusal(_ error: any Error, _ arguments: [String]) -> String {
        let usage = UsageMessage(arguments)
        if let option = usage.firstUnknownOption(of: arguments) { return usage.unknownOption(option) }
        return usage.rephrase(singleLine(RootCommand.message(for: error)))
    }

    /// Joins the lines of a message of ArgumentParser, because this program reports an error in one line.
    static func singleLine(_ message: String) -> String {
        message.split(whereSeparator: \.isNewline)
            .map { line in String(line.drop(while: \.isWhitespace)) }
            .filter { !$0.isEmpty }
            .joined(separator: " ")
    }
}
