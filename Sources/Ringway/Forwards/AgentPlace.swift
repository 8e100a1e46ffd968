internal import Glibc
internal import RingwayModel

/// The current state of a listening place on the host, an address or a unix socket, whose clients an agent forwards to
/// its guest.
public struct AgentPlace: Hashable, Sendable, Identifiable {
    /// The origin of a place.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Added by `VirtualNetwork.forward`.
        case forward
        /// Requested by the agent, for example on behalf of Docker's proxy in the guest.
        case agent
        /// Opened automatically, because a program in the guest listens on the same port.
        case follow
    }

    /// The state of a place.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Clients are forwarded to the guest's server.
        case active
        /// The agent is not connected. Clients are refused.
        case waiting
        /// The place is not permitted, could not be opened, or its clients cannot be accepted; see `problem`.
        case failed
    }

    /// A number that no other place and no published port of the network has. Numbers repeat only after about four
    /// billion.
    public let id: PublishedPort.ID
    public let kind: Kind
    /// The place and the server. The host address is the granted one, which may differ from the requested one;
    /// `VirtualNetwork.agentForwards` has the forwards as requested from `VirtualNetwork.forward`.
    public internal(set) var forward: AgentForward
    /// The owner's label: `forward`, `follow`, or `agent:` followed by the agent's name.
    public let owner: String
    /// The guest to which clients are currently forwarded; `nil` while the agent is not connected, and for an agent
    /// without queues, which is no guest of the network.
    public internal(set) var guest: Guest.ID?
    public internal(set) var state: State
    /// Why the place is `failed`; `nil` in any other state.
    public internal(set) var problem: String?
}

extension AgentPlace: CustomStringConvertible {
    /// For messages to users.
    public var description: String {
        switch kind {
        case .forward: "\(forward.specification)"
        case .agent, .follow: "\(forward.specification) (\(owner))"
        }
    }
}

extension AgentPlace {
    /// Why a place chosen by a guest could not be bound. The process that holds the port is not looked up: the search
    /// visits every process, and a guest could cause such searches without limit.
    static func problem(_ error: Int32, _ place: TransportAddress, _ transport: PortForward.Transport) -> String {
        guard error != EADDRINUSE else { return "cannot publish \(place)/\(transport.rawValue): the port is in use" }
        return PortHolder.explain(error, place.address, place.port, transport)
    }
}

extension AgentForward {
    /// The forward in the format of the option `--forward`: `web/127.0.0.1:8080=tcp:127.0.0.1:80@blue`.
    public var specification: String {
        switch place {
        case .address(let address): "\(guest == .first ? "" : "\(guest)/")\(address)=\(target.specification)"
        case .unix(let path): "unix:\(path)=\(target.specification)"
        }
    }

    /// Whether the target is a UDP server.
    var isDatagram: Bool { if case .udp = target.endpoint { true } else { false } }
}
