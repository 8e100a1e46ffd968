internal import Glibc

/// Error numbers in refusals by the host.
enum AgentError {
    /// The agent, or the session that it names, is not connected.
    static var gone: Int32 { ENOTCONN }
    /// The agent did not reply in time.
    static var timedOut: Int32 { ETIMEDOUT }
    /// The agent may not do what it requests.
    static var forbidden: Int32 { EACCES }
    /// Too many agents, queues or forwards.
    static var full: Int32 { ENOSPC }
    /// The agent uses another version of the protocol.
    static var version: Int32 { EPROTONOSUPPORT }
    /// The agent violates the protocol.
    static var invalid: Int32 { EPROTO }
}
