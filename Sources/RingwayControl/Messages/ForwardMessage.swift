internal import Ringway

/// Reads a forward of one or several ports from a request.
enum ForwardMessage {
    static let keys = ["transport", "hostAddress", "hostPort", "hostPortEnd", "guestPort", "count", "guest"]

    static func read(_ fields: Fields) throws(ControlFailure) -> PortForward {
        let transport = try transport(fields)
        let count = try fields.integer("count", in: 1...65_535) ?? 1
        guard let hostPort = try fields.integer("hostPort", in: 0...65_535) else { throw fields.missing("hostPort") }
        guard let guestPort = try fields.integer("guestPort", in: 1...65_535) else { throw fields.missing("guestPort") }
        guard hostPort + count <= 65_536, guestPort + count <= 65_536 else {
            throw fields.refusal("count", "the last of the ports would be beyond 65535")
        }
        var hostPorts = hostPort == 0 ? 0...0 : range(hostPort, count)
        if let end = try fields.integer("hostPortEnd", in: 1...65_535) {
            guard count == 1, hostPort > 0, hostPort <= end else {
                throw fields.refusal(
                    "hostPortEnd",
                    "it is the last of the ports, from hostPort on, of which one is chosen for one guest port")
            }
            hostPorts = UInt16(hostPort)...UInt16(end)
        }
        var address: IPAddress?
        if let text = try fields.string("hostAddress") {
            guard let parsed = IPAddress(text) else {
                throw fields.refusal("hostAddress", "\"\(text)\" is not an IP address")
            }
            address = parsed
        }
        var guest = GuestSelector.first
        if let text = try fields.string("guest") {
            guard let parsed = GuestSelector(text) else {
                throw fields.refusal("guest", "\"\(text)\" is neither a guest's name nor its address")
            }
            guest = parsed
        }
        return PortForward(
            hostAddress: address, hostPorts: hostPorts, guestPorts: range(guestPort, count),
            transport: transport, guest: guest)
    }

    private static func transport(_ fields: Fields) throws(ControlFailure) -> PortForward.Transport {
        guard let text = try fields.string("transport") else { return .tcp }
        guard let transport = PortForward.Transport(rawValue: text) else {
            throw fields.refusal("transport", "\"\(text)\" is neither tcp nor udp")
        }
        return transport
    }

    private static func range(_ first: Int, _ count: Int) -> ClosedRange<UInt16> {
        UInt16(first)...UInt16(first + count - 1)
    }
}

/// Reads and checks the name of an owner of published ports, which a client of the API chooses.
enum OwnerName {
    /// The owner of ports whose request names no owner.
    static let standard = "api"
    /// The longest name, in bytes.
    static let longest = 64

    static func read(_ fields: Fields) throws(ControlFailure) -> String {
        guard let text = try fields.string("owner") else { return standard }
        guard isValid(text) else {
            throw fields.refusal("owner", "a name has 1 to \(longest) letters, digits, \".\", \"_\" and \"-\"")
        }
        return text
    }

    static func isValid(_ text: String) -> Bool {
        (1...longest).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                byte &- 0x30 <= 9 || (byte | 0x20) &- 0x61 <= 25 || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
            }
    }
}
