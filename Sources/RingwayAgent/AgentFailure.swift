internal import Glibc
internal import RingwaySystem

/// Why the agent cannot continue: one line for the user.
struct AgentFailure: Error, Equatable, CustomStringConvertible {
    let description: String

    /// A failure with this description.
    init(_ description: String) { self.description = description }

    /// A system call's failure.
    init(_ error: SystemError) { description = error.description }

    /// "cannot STEP: REASON", with the error of the last system call.
    init(cannot step: String) { self.init(SystemError("cannot \(step)")) }

    /// Runs a body that only throws system errors.
    static func wrap<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(AgentFailure) -> Result {
        do throws(SystemError) { return try body() } catch { throw AgentFailure(error) }
    }
}
