internal import ArgumentParser
internal import CRingway
internal import Ringway
internal import RingwayUsage

/// `[GUEST/]PLACE=TARGET[@NAMESPACE]`: where the host listens for clients, and the server inside the guest to which
/// the guest's agent forwards them. PLACE is `[HOSTIP:]PORT` or `unix:PATH`, TARGET `tcp:IP:PORT`, `udp:IP:PORT` or
/// `unix:PATH`.
enum AgentForwardSpecification {
    /// Parses a value of `--forward`. An error names the invalid part.
    static func parse(_ text: String) throws -> AgentForward {
        guard let sign = text.firstIndex(of: "=") else {
            throw ValidationError("the server is missing; use PLACE=TARGET, such as 8080=tcp:127.0.0.1:80")
        }
        var place = text[..<sign]
        var guest = GuestSelector.first
        if !place.hasPrefix("unix:"), let slash = place.firstIndex(of: "/") {
            guard let named = GuestSelector(String(place[..<slash])) else {
                throw ValidationError("\"\(place[..<slash])\" is neither a guest's name nor its address")
            }
            guest = named
            place = place[place.index(after: slash)...]
        }
        let target = try target(text[text.index(after: sign)...])
        return AgentForward(try Self.place(place), to: target, guest: guest)
    }

    /// The most bytes of a socket's path, without the terminating zero (unix(7)).
    private static var longestPath: Int { 107 }

    private static func place(_ text: Substring) throws -> AgentForward.Place {
        if text.hasPrefix("unix:") { return .unix(path: try path(text.dropFirst(5))) }
        if let port = UInt16(digits: text), port != 0 {
            // By default only programs of the host may connect; other clients need an explicit address.
            return .address(TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: port))
        }
        guard let address = TransportAddress(String(text)), address.port != 0 else {
            throw ValidationError("\"\(text)\" is not a place for clients; use PORT, HOSTIP:PORT or unix:PATH")
        }
        return .address(address)
    }

    private static func target(_ text: Substring) throws -> DialTarget {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let namespace = parts.count == 2 ? String(parts[1]) : ""
        guard let colon = parts[0].firstIndex(of: ":") else {
            throw ValidationError("\"\(text)\" is not a server; use tcp:IP:PORT, udp:IP:PORT or unix:PATH")
        }
        let rest = parts[0][parts[0].index(after: colon)...]
        switch parts[0][..<colon] {
        case "tcp": return DialTarget(.tcp(try address(rest)), namespace: namespace)
        case "udp": return DialTarget(.udp(try address(rest)), namespace: namespace)
        case "unix": return DialTarget(.unix(path: try path(rest)), namespace: namespace)
        case let kind:
            let question = Suggestion.question(kind, among: ["tcp", "udp", "unix"])
            throw ValidationError(
                "unknown kind of server \"\(kind)\""
                    + (question.isEmpty ? "; use tcp:IP:PORT, udp:IP:PORT or unix:PATH" : question))
        }
    }

    private static func address(_ text: Substring) throws -> TransportAddress {
        guard let address = TransportAddress(String(text)), address.port != 0 else {
            throw ValidationError("\"\(text)\" is not an address with a port, such as 127.0.0.1:80 or [::1]:80")
        }
        return address
    }

    private static func path(_ text: Substring) throws -> String {
        let length = ringway_text_length(String(text))
        guard length > 0, length <= longestPath else {
            throw ValidationError("the path of a socket has 1 to \(longestPath) bytes; this one has \(length)")
        }
        return String(text)
    }
}
