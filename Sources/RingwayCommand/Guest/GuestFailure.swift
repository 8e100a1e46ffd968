internal import Glibc

/// Why the guest could not be set up: one clause for the user.
struct GuestFailure: Error, Equatable {
    let message: String

    init(_ message: String) { self.message = message }

    /// Makes the message "cannot STEP: REASON". The reason is by default the error of the last system call.
    init(cannot step: String, errorNumber: Int32 = errno) {
        message = "cannot \(step): \(String(cString: strerror(errorNumber)))"
    }
}
