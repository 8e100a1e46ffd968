public import RingwayWire

/// Ports of the host that lead to ports of the guest.
public struct PortForward: Hashable, Sendable, CustomStringConvertible {
    public enum Transport: String, Hashable, Sendable { case tcp, udp }

    /// Where the host listens; `nil` for every address of both families.
    public var hostAddress: IPAddress?
    public var hostPorts: ClosedRange<UInt16>
    /// As many ports as `hostPorts`, in the same order.
    public var guestPorts: ClosedRange<UInt16>
    public var transport: Transport
    /// The guest it leads to, which need not be there yet.
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

    /// In Docker's syntax, the guest before it where one is named.
    public var description: String {
        func range(_ ports: ClosedRange<UInt16>) -> String {
            ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
        }
        let selector = guest == .first ? "" : "\(guest)="
        let address = hostAddress.map { $0.isIPv4 ? "\($0):" : "[\($0)]:" } ?? ""
        return "\(selector)\(address)\(range(hostPorts)):\(range(guestPorts))/\(transport.rawValue)"
    }
}
