internal import RingwayModel
internal import RingwayUsage

/// The host ports that agents may publish for their guests: none by default.
///
/// An agent acts for its guest. A guest that may open any host port could impersonate the host's own services.
public struct AgentPublishing: Hashable, Sendable {
    /// A range of ports, on the host addresses that `addresses` allows.
    public struct Rule: Hashable, Sendable {
        public var addresses: BindPolicy
        public var ports: ClosedRange<UInt16>

        /// A rule for these ports; by default for all unprivileged ones.
        public init(_ addresses: BindPolicy, ports: ClosedRange<UInt16> = AgentPublishing.ordinaryPorts) {
            self.addresses = addresses
            self.ports = ports
        }
    }

    /// An agent may have a port that at least one of the rules allows.
    public var rules: [Rule]

    public init(_ rules: [Rule]) { self.rules = rules }

    /// Agents publish nothing.
    public static let none = AgentPublishing([])

    /// Unprivileged ports. Lower ports belong to the host's own services and must be allowed explicitly.
    public static var ordinaryPorts: ClosedRange<UInt16> { 1_024...UInt16.max }

    /// The accepted syntax, for help and errors.
    public static let forms = "none, loopback[:PORTS], all[:PORTS] or ADDRESS[:PORTS]"

    /// Reads one or more of `forms`, separated by commas: `loopback,192.0.2.1:80,[::1]:8000-8999`.
    public init(_ text: String) throws(VirtualNetwork.Failure) {
        rules = []
        guard text != "none" else { return }
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            rules.append(try Self.rule(String(part)))
        }
    }

    private static func rule(_ text: String) throws(VirtualNetwork.Failure) -> Rule {
        if let address = IPAddress(text), !address.isUnspecified { return Rule(.addresses([address])) }
        let colon = text.lastIndex(of: ":")
        let place = colon.map { String(text[..<$0]) } ?? text
        let policy: BindPolicy
        switch place {
        case "loopback": policy = .loopback
        case "all": policy = .everywhere
        default:
            let isBracketed = place.hasPrefix("[") && place.hasSuffix("]")
            guard let address = IPAddress(isBracketed ? String(place.dropFirst().dropLast()) : place),
                isBracketed != address.isIPv4, !address.isUnspecified
            else {
                throw VirtualNetwork.Failure(
                    "it must be \(forms), such as loopback or 192.0.2.1:8000-8999"
                        + Suggestion.question(place, among: ["none", "loopback", "all"]))
            }
            policy = .addresses([address])
        }
        guard let colon else { return Rule(policy) }
        return Rule(policy, ports: try ports(String(text[text.index(after: colon)...])))
    }

    private static func ports(_ text: String) throws(VirtualNetwork.Failure) -> ClosedRange<UInt16> {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { end in
            end.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt16(end) : nil
        }
        guard let first = ends[0], let last = ends[ends.count - 1], first > 0, first <= last else {
            throw VirtualNetwork.Failure("\"\(text)\" are no ports; use 8080 or 8000-8999, say")
        }
        return first...last
    }

    // MARK: Checking requests

    /// The host address on which a requested port may be opened; `nil` unless a rule and `policy` both allow the
    /// port. A request for every address of a family gets the first allowed address.
    ///
    /// - Parameter policy: the addresses on which the network may open any ports at all.
    func place(for wanted: TransportAddress, within policy: BindPolicy) -> IPAddress? {
        for rule in rules where rule.allows(wanted.port) {
            for place in rule.addresses.places(for: wanted.address) {
                if let place = policy.places(for: place).first, let place { return place }
            }
        }
        return nil
    }

    /// Why a port is refused, for the user of an agent.
    func refusal(of wanted: TransportAddress) -> String {
        guard !rules.isEmpty else {
            return "\(wanted): agents may publish no ports; \"ringway serve --agent-publish\" on the host lets them"
        }
        return "\(wanted): agents may publish \(self) only, as \"ringway serve --agent-publish\" on the host says"
    }
}

extension AgentPublishing.Rule {
    /// Whether the rule allows a requested port. For port 0 the kernel may choose any unprivileged port, so the rule
    /// must allow all of them.
    fileprivate func allows(_ port: UInt16) -> Bool {
        guard port == 0 else { return ports.contains(port) }
        return ports.lowerBound <= AgentPublishing.ordinaryPorts.lowerBound && ports.upperBound == .max
    }
}

extension AgentPublishing: CustomStringConvertible {
    /// In the format that `init` reads.
    public var description: String {
        guard !rules.isEmpty else { return "none" }
        return rules.map { rule in
            guard rule.ports != Self.ordinaryPorts else { return "\(rule.addresses)" }
            let ports =
                rule.ports.count == 1 ? "\(rule.ports.lowerBound)" : "\(rule.ports.lowerBound)-\(rule.ports.upperBound)"
            if case .addresses(let addresses) = rule.addresses {
                return addresses.map { $0.isIPv4 ? "\($0):\(ports)" : "[\($0)]:\(ports)" }.joined(separator: ",")
            }
            return "\(rule.addresses):\(ports)"
        }.joined(separator: ",")
    }
}
