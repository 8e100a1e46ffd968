/// The destination of a connection that a guest's agent opens: a server inside the guest.
public struct DialTarget: Hashable, Sendable {
    /// The address to dial.
    public enum Endpoint: Hashable, Sendable {
        case tcp(TransportAddress)
        /// A UDP server. Each record of the agent's connection carries one datagram.
        case udp(TransportAddress)
        /// The path of a stream socket; with a leading `@` a name in the abstract namespace.
        case unix(path: String)
    }

    public var endpoint: Endpoint
    /// The network namespace to dial in: empty for the agent's own, a name in /run/netns, or a path.
    public var namespace: String

    /// A target.
    public init(_ endpoint: Endpoint, namespace: String = "") {
        self.endpoint = endpoint
        self.namespace = namespace
    }
}

extension DialTarget: CustomStringConvertible {
    /// The text for messages.
    public var description: String {
        let place = namespace.isEmpty ? "" : " in \(namespace)"
        switch endpoint {
        case .tcp(let address): return "\(address)/tcp\(place)"
        case .udp(let address): return "\(address)/udp\(place)"
        case .unix(let path): return "\(path)\(place)"
        }
    }
}

extension DialTarget {
    /// The target in the format of the option `--forward`: `tcp:127.0.0.1:80@blue`.
    public var specification: String {
        let place = namespace.isEmpty ? "" : "@\(namespace)"
        switch endpoint {
        case .tcp(let address): return "tcp:\(address)\(place)"
        case .udp(let address): return "udp:\(address)\(place)"
        case .unix(let path): return "unix:\(path)\(place)"
        }
    }
}
