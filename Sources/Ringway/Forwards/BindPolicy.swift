public import RingwayModel

/// The host addresses on which ports may be opened: published ports, ports of forwards through agents, ports that
/// agents request, and ports that follow a guest's listeners.
public enum BindPolicy: Hashable, Sendable {
    /// Every address.
    case everywhere
    /// Only loopback addresses.
    case loopback
    /// Only these addresses.
    case addresses([IPAddress])

    /// The addresses to bind for a requested address; empty if the port may not be opened. A request for all addresses
    /// of one family gets the allowed addresses of that family. A request for all addresses of both families gets all
    /// allowed addresses.
    ///
    /// - Parameter requested: `nil` for all addresses of both families, as in the result.
    func places(for requested: IPAddress?) -> [IPAddress?] {
        let allowed: [IPAddress]
        switch self {
        case .everywhere: return [requested]
        case .loopback:
            if let requested, requested.isLoopback { return [requested] }
            allowed = [IPAddress(IPv4Address(127, 0, 0, 1)), IPAddress(high: 0, low: 1)]
        case .addresses(let addresses): allowed = addresses
        }
        guard let requested else { return allowed }
        guard requested.isUnspecified else { return allowed.filter { $0 == requested } }
        return allowed.filter { $0.isIPv4 == requested.isIPv4 }
    }

    /// Why an address is refused, as the end of a sentence.
    var reason: String {
        switch self {
        case .everywhere: "ports are published on every address"
        case .loopback: "ports are published on the host's loopback only"
        case .addresses(let addresses):
            "ports are published on \(addresses.map { "\($0)" }.joined(separator: ", ")) only"
        }
    }
}

extension BindPolicy: CustomStringConvertible {
    /// In the format of configuration files.
    public var description: String {
        switch self {
        case .everywhere: "all"
        case .loopback: "loopback"
        case .addresses(let addresses): addresses.map { "\($0)" }.joined(separator: ",")
        }
    }
}
