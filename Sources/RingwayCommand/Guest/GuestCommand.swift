internal import CRingway
internal import Glibc

/// Executes COMMAND of `ringway run`. If that fails, the process exits with 126 or 127, as a shell does.
enum GuestCommand {
    /// Replaces the process by COMMAND, with its arguments byte for byte and the caller's environment.
    static func execute(_ arguments: [String]) -> Never {
        var pointers = arguments.map { ringway_text_bytes($0) }
        pointers.append(nil)
        ringway_execute(pointers)
        let reason = errno
        StandardError.write("cannot run \(arguments[0]): \(String(cString: strerror(reason)))")
        _exit(reason == ENOENT ? ExitStatus.notFound : ExitStatus.cannotExecute)
    }
}
