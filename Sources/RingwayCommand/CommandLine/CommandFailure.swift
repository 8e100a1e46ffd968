/// Why the command failed: the line for the user and the exit status.
struct CommandFailure: Error, Equatable {
    /// One sentence without its full stop; the program's name is prefixed.
    let message: String

    /// The exit status, or `nil` for the command's default failure status.
    let status: Int32?

    init(_ message: String, status: Int32? = nil) {
        self.message = message
        self.status = status
    }
}
