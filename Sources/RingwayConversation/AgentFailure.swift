internal import Glibc
public import RingwayAgentProtocol

/// Why the agent, or its host's side, cannot do what it should: one line for a person.
public struct AgentFailure: Error, Equatable, CustomStringConvertible {
    public let description: String

    /// A failure in words.
    public init(_ description: String) { self.description = description }

    /// "cannot STEP: REASON", with the error that the last system call left unless another is given.
    public init(cannot step: String, errorNumber: Int32? = nil) {
        description = "cannot \(step): \(String(cString: strerror(errorNumber ?? errno)))"
    }
}

extension Refusal {
    /// A refusal in the kernel's own words.
    public init(errorNumber: Int32) {
        self.init(errorNumber: errorNumber, text: String(cString: strerror(errorNumber)))
    }
}
