internal import Glibc
internal import RingwayModel

/// A place on the host from which an agent leads clients to a server inside its guest, as it is at present.
public struct AgentPlace: Hashable, Sendable, Identifiable {
    /// By whom it was asked for.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// By the network's owner: `VirtualNetwork.forward`.
        case forward
        /// By the agent itself, as Docker's proxy does.
        case agent
        /// Without a request: it follows a port that is listened on inside the guest.
        case follow
    }

    /// Where it stands.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// Clients are led to the guest's server.
        case active
        /// The agent is away. TCP clients are refused.
        case waiting
        /// The place could not be had.
        case failed
    }

    /// Its number on the network, of the same kind as those of published ports; none is given twice.
    public let id: PublishedPort.ID
    public let kind: Kind
    /// The place and the server. For an agent's own ports the place is where the port is had.
    public internal(set) var forward: AgentForward
    /// `forward`, `follow`, or `agent:` and the agent's name.
    public let owner: String
    /// The guest that it leads to now; `nil` while it waits, and for an agent that carries no frames.
    public internal(set) var guest: Guest.ID?
    public internal(set) var state: State
    /// Why the place could not be had.
    public internal(set) var problem: String?
}

extension AgentPlace: CustomStringConvertible {
    /// For messages to people.
    public var description: String {
        switch kind {
        case .forward: "\(forward.specification)"
        case .agent, .follow: "\(forward.specification) (\(owner))"
        }
    }
}

extension AgentPlace {
    /// Why a place that a guest chooses could not be bound. Its holder is not searched for, because guests may ask as
    /// often as they like, and the search goes through every process.
    static func problem(_ error: Int32, _ place: TransportAddress, _ transport: PortForward.Transport) -> String {
        guard error != EADDRINUSE else { return "cannot publish \(place)/\(transport.rawValue): the port is in use" }
        return PortHolder.explain(error, place.address, place.port, transport)
    }
}

extension AgentForward {
    /// As the option `--forward` has it: `web/127.0.0.1:8080=tcp:127.0.0.1:80@blue`.
    public var specification: String {
        switch place {
        case .address(let address): "\(guest == .first ? "" : "\(guest)/")\(address)=\(target.specification)"
        case .unix(let path): "unix:\(path)=\(target.specification)"
        }
    }

    /// Whether it carries datagrams.
    var isDatagram: Bool { if case .udp = target.endpoint { true } else { false } }
}
