public import RingwayModel

/// Host ports that are forwarded to guest ports.
public struct PortForward: Hashable, Sendable, CustomStringConvertible {
    public enum Transport: String, Hashable, Sendable { case tcp, udp }

    /// The listening address; `nil` for all addresses of both families.
    public var hostAddress: IPAddress?
    /// As many ports as `guestPorts`, in the same order. `0...0` stands for any free ports. If there is only one guest
    /// port, this may be a range, from which a free port is chosen.
    public var hostPorts: ClosedRange<UInt16>
    public var guestPorts: ClosedRange<UInt16>
    public var transport: Transport
    /// The guest; it need not be attached yet.
    public var guest: GuestSelector

    public init(
        hostAddress: IPAddress?, hostPorts: ClosedRange<UInt16>, guestPorts: ClosedRange<UInt16>, transport: Transport,
        guest: GuestSelector = .first
    ) {
        self.hostAddress = hostAddress
        self.hostPorts = hostPorts
        self.guestPorts = guestPorts
        self.transport = transport
        self.guest = guest
    }

    /// Whether free host ports are chosen on publication.
    public var choosesHostPorts: Bool {
        hostPorts.lowerBound == 0 || (guestPorts.count == 1 && hostPorts.count > 1)
    }

    /// Whether two forwards conflict, because they need the same host port.
    public func overlaps(_ other: PortForward) -> Bool {
        guard !choosesHostPorts, !other.choosesHostPorts, transport == other.transport,
            hostPorts.overlaps(other.hostPorts)
        else { return false }
        guard let address = hostAddress, let otherAddress = other.hostAddress else { return true }
        guard address.isIPv4 == otherAddress.isIPv4 else { return false }
        return address == otherAddress || address.isUnspecified || otherAddress.isUnspecified
    }

    /// Two conflicting forwards; `nil` if there are none.
    public static func conflict(in forwards: [PortForward]) -> (PortForward, PortForward)? {
        let fixed = forwards.filter { !$0.choosesHostPorts }
        let ordered = fixed.sorted { $0.hostPorts.lowerBound < $1.hostPorts.lowerBound }
        // Forwards that may still overlap the next one; usually one or two.
        var open: [PortForward] = []
        for forward in ordered {
            open.removeAll { $0.hostPorts.upperBound < forward.hostPorts.lowerBound }
            if let other = open.first(where: { $0.overlaps(forward) }) { return (other, forward) }
            open.append(forward)
        }
        return nil
    }

    /// The forward in Docker's syntax, preceded by the guest and `=` unless the guest is `first`.
    public var description: String {
        func range(_ ports: ClosedRange<UInt16>) -> String {
            ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
        }
        let selector = guest == .first ? "" : "\(guest)="
        let address = hostAddress.map { $0.isIPv4 ? "\($0):" : "[\($0)]:" } ?? ""
        var host = "\(range(hostPorts)):"
        if hostPorts.lowerBound == 0 { host = hostAddress == nil ? "" : ":" }
        return "\(selector)\(address)\(host)\(range(guestPorts))/\(transport.rawValue)"
    }
}
