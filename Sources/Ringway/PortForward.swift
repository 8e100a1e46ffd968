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

    public init(
        hostAddress: IPAddress?, hostPorts: ClosedRange<UInt16>, guestPorts: ClosedRange<UInt16>, transport: Transport
    ) {
        self.hostAddress = hostAddress
        self.hostPorts = hostPorts
        self.guestPorts = guestPorts
        self.transport = transport
    }

    /// In Docker's syntax.
    public var description: String {
        func range(_ ports: ClosedRange<UInt16>) -> String {
            ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
        }
        let address = hostAddress.map { $0.isIPv4 ? "\($0):" : "[\($0)]:" } ?? ""
        return "\(address)\(range(hostPorts)):\(range(guestPorts))/\(transport.rawValue)"
    }
}
