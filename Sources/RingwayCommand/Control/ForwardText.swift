internal import Ringway
internal import RingwayControl

/// Converts published ports between the command line and the control API.
enum ForwardText {
    /// Writes a forward as a JSON object for a request body.
    static func write(_ forward: PortForward, owner: String?, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("transport", forward.transport.rawValue)
            writer.member("hostAddress", forward.hostAddress.map { "\($0)" })
            writer.member("hostPort", forward.hostPorts.lowerBound)
            if forward.choosesHostPorts, forward.hostPorts.count > 1 {
                writer.member("hostPortEnd", forward.hostPorts.upperBound)
            }
            writer.member("guestPort", forward.guestPorts.lowerBound)
            writer.member("count", forward.guestPorts.count)
            writer.member("guest", forward.guest == .first ? nil : "\(forward.guest)")
            if let owner { writer.member("owner", owner) }
        }
    }

    /// The published port in a response; `nil` if the value is a forward through an agent, or malformed.
    static func read(_ value: JSONValue) -> PortForward? {
        guard value["kind"]?.text ?? "port" == "port", let hostPort = value["hostPort"]?.int,
            let guestPort = value["guestPort"]?.int,
            let count = value["count"]?.int, count > 0,
            let transport = value["transport"]?.text.flatMap({ PortForward.Transport(rawValue: $0) }),
            let firstHost = UInt16(exactly: hostPort), let lastHost = UInt16(exactly: hostPort + count - 1),
            let firstGuest = UInt16(exactly: guestPort), let lastGuest = UInt16(exactly: guestPort + count - 1)
        else { return nil }
        return PortForward(
            hostAddress: value["hostAddress"]?.text.flatMap { IPAddress($0) }, hostPorts: firstHost...lastHost,
            guestPorts: firstGuest...lastGuest, transport: transport,
            guest: value["guest"]?.text.flatMap { GuestSelector($0) } ?? .first)
    }

    /// The forward as it was requested, if its host port was chosen automatically; otherwise `nil`.
    static func requested(_ value: JSONValue) -> PortForward? {
        value["requested"]?.text.flatMap { try? PublishSpecification.parseForGuest($0) }
    }

    /// The forward in the format of `--publish`, or of `--forward` if it leads through an agent.
    static func text(_ value: JSONValue) -> String {
        guard let target = value["target"]?.text else { return read(value).map { "\($0)" } ?? "?" }
        if let path = value["path"]?.text { return "unix:\(path)=\(target)" }
        let guest = value["guest"]?.text.map { "\($0)/" } ?? ""
        guard let address = value["hostAddress"]?.text.flatMap({ IPAddress($0) }), let port = value["hostPort"]?.int,
            let number = UInt16(exactly: port)
        else { return "?" }
        return "\(guest)\(TransportAddress(address: address, port: number))=\(target)"
    }
}
