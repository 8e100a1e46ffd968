/// Why the command cannot go on: the line the user sees and the status the process ends with.
struct CommandFailure: Error, Equatable {
    /// One sentence without its full stop; the program's name is put before it.
    let message: String

    /// The exit status, or `nil` for the command's own status of failures.
    let status: Int32?

    init(_ message: String, status: Int32? = nil) {
        self.message = message
        self.status = status
    }
}
