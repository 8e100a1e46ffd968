/// The exit statuses, on which scripts may rely.
enum ExitStatus {
    /// The command line is invalid.
    static let usage: Int32 = 2
    /// A command other than `run` failed.
    static let failure: Int32 = 1
    /// `run` itself failed, rather than COMMAND.
    static let ownFailure: Int32 = 125
    /// COMMAND exists but cannot be executed, as in a shell.
    static let cannotExecute: Int32 = 126
    /// COMMAND was not found, as in a shell.
    static let notFound: Int32 = 127

    /// COMMAND was ended by a signal, as in a shell.
    static func signalled(_ number: Int32) -> Int32 { 128 + number }
}
