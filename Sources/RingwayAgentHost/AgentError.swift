internal import Glibc

/// Numbers of errors that the host's side makes itself.
enum AgentError {
    /// The agent is not there.
    static var gone: Int32 { ENOTCONN }
    /// The agent does not answer in time.
    static var timedOut: Int32 { ETIMEDOUT }
    /// The agent may not be here.
    static var forbidden: Int32 { EACCES }
    /// There are too many agents.
    static var full: Int32 { ENOSPC }
    /// The agent has another version of the protocol.
    static var version: Int32 { EPROTONOSUPPORT }
    /// The agent is not what its hello says.
    static var invalid: Int32 { EPROTO }
}
