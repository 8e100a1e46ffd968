internal import CRingway
internal import Glibc

/// COMMAND's execution, with a shell's exit statuses for failures.
enum GuestCommand {
    /// Becomes COMMAND, with its arguments byte for byte. The environment is the caller's.
    static func execute(_ arguments: [String]) -> Never {
        var pointers = arguments.map { ringway_text_bytes($0) }
        pointers.append(nil)
        ringway_execute(pointers)
        let reason = errno
        StandardError.write("cannot run \(arguments[0]): \(String(cString: strerror(reason)))")
        _exit(reason == ENOENT ? ExitStatus.notFound : ExitStatus.cannotExecute)
    }
}
