public import RingwaySystem

/// Why a resolver could not be started.
public enum ResolverFailure: Error, Equatable, Sendable {
    /// A built-in name is not a domain name (RFC 1035 §2.3.4).
    case invalidName(String)

    /// A system call failed.
    case system(SystemError)
}

extension ResolverFailure: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalidName(let name): "'\(name)' is not a domain name"
        case .system(let error): error.description
        }
    }
}
