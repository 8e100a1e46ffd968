internal import ArgumentParser
internal import Ringway
internal import RingwayUsage

/// `[GUEST=][HOSTIP:][HOSTPORT[-END]:]GUESTPORT[-END][/tcp|/udp]`, as in Docker. Without HOSTPORT, or with 0, a free
/// port of the host is chosen. For a single guest port and a range of host ports, a free port of the range is chosen.
/// An IPv6 address is in brackets.
enum PublishSpecification {
    /// Parses a value of `--publish`. An error names the invalid part.
    static func parse(_ text: String) throws -> PortForward {
        var rest = Substring(text)
        let transport = try takeTransport(&rest)
        let address = try takeAddress(&rest)
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2 else {
            throw ValidationError("there is a colon too many; an IPv6 address stands in brackets")
        }
        guard parts.count == 2 || address == nil else {
            throw ValidationError(
                "the guest's port is missing; for a free port of the host write \(bracketed(address))::\(parts[0])")
        }
        let guestPorts = try ports(parts[parts.count - 1], of: "guest")
        let isFree = parts.count == 1 || parts[0].isEmpty || parts[0] == "0"
        let hostPorts = isFree ? 0...0 : try ports(parts[0], of: "host")
        let forward = PortForward(
            hostAddress: address, hostPorts: hostPorts, guestPorts: guestPorts, transport: transport)
        guard forward.choosesHostPorts || hostPorts.count == guestPorts.count else {
            throw ValidationError(
                "the host's range has \(hostPorts.count) ports and the guest's \(guestPorts.count)")
        }
        return forward
    }

    /// Parses a value with a guest: `GUEST=` and the rest, where GUEST is a name, an IPv4 or an ethernet address.
    static func parseForGuest(_ text: String) throws -> PortForward {
        guard let sign = text.firstIndex(of: "=") else { return try parse(text) }
        let name = String(text[..<sign])
        guard let guest = GuestSelector(name) else {
            throw ValidationError("\"\(name)\" is neither a guest's name nor its address")
        }
        var forward = try parse(String(text[text.index(after: sign)...]))
        forward.guest = guest
        return forward
    }

    /// Throws if two forwards need the same host port.
    static func refuseConflicts(_ forwards: [PortForward]) throws(ValidationError) {
        guard let (first, second) = PortForward.conflict(in: forwards) else { return }
        let ports = first.hostPorts.clamped(to: second.hostPorts)
        let range = ports.count == 1 ? "port \(ports.lowerBound)" : "ports \(ports.lowerBound) to \(ports.upperBound)"
        throw ValidationError(
            "\(range) of the host cannot be published twice: \(first)"
                + (first == second ? " is given twice" : " and \(second) are both given"))
    }

    private static func bracketed(_ address: IPAddress?) -> String {
        address.map { $0.isIPv4 ? "\($0)" : "[\($0)]" } ?? ""
    }

    private static func takeTransport(_ rest: inout Substring) throws -> PortForward.Transport {
        guard let slash = rest.firstIndex(of: "/") else { return .tcp }
        let name = rest[rest.index(after: slash)...]
        rest = rest[..<slash]
        switch name.lowercased() {
        case "tcp": return .tcp
        case "udp": return .udp
        default:
            throw ValidationError(
                "the protocol \"\(name)\" is neither tcp nor udp" + Suggestion.question(name, among: ["tcp", "udp"]))
        }
    }

    /// Removes the host's address and the colon after it from the text, and returns the address; `nil` if there is
    /// none.
    private static func takeAddress(_ rest: inout Substring) throws -> IPAddress? {
        if rest.first == "[" {
            guard let end = rest.firstIndex(of: "]") else {
                throw ValidationError("the host's address has no closing bracket")
            }
            let text = String(rest[rest.index(after: rest.startIndex)..<end])
            guard let address = IPv6Address(text) else {
                throw ValidationError("the host's address \"\(text)\" is not an IPv6 address")
            }
            rest = rest[rest.index(after: end)...]
            guard rest.first == ":" else { throw ValidationError("a colon is missing after the host's address") }
            rest.removeFirst()
            return IPAddress(address)
        }
        let parts = rest.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
        // Two parts are two ports, unless the first has a dot and so must be an address.
        guard parts.count == 3 || (parts.count == 2 && parts[0].contains(".")) else { return nil }
        let text = String(parts[0])
        guard let address = IPv4Address(text) else {
            throw ValidationError("the host's address \"\(text)\" is not an IP address")
        }
        rest = rest[rest.index(after: parts[0].endIndex)...]
        return IPAddress(address)
    }

    private static func ports(_ text: Substring, of side: String) throws -> ClosedRange<UInt16> {
        guard !text.isEmpty else { throw ValidationError("the \(side)'s port is missing") }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2 else { throw ValidationError("the \(side)'s range \"\(text)\" has too many ends") }
        let first = try port(ends[0], of: side)
        let last = ends.count == 2 ? try port(ends[1], of: side) : first
        guard first <= last else { throw ValidationError("the \(side)'s range \"\(text)\" runs backwards") }
        return first...last
    }

    private static func port(_ text: Substring, of side: String) throws -> UInt16 {
        guard let value = OptionValue.decimal(String(text)), let port = UInt16(exactly: value), port > 0 else {
            throw ValidationError("the \(side)'s port \"\(text)\" is not a number from 1 to 65535")
        }
        return port
    }
}
