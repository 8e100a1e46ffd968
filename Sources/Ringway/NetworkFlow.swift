public import RingwayModel
internal import RingwayStack

/// A flow of a guest, as it was at the time of the request.
public struct NetworkFlow: Sendable {
    public enum Transport: String, Hashable, Sendable { case tcp, udp, icmp }

    /// The states of a TCP connection with the guest (RFC 9293 §3.3.2), and two of a gateway: `connecting` and
    /// `draining`. Other flows are always `established`.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// The guest's SYN has arrived, and the host's socket is connecting.
        case connecting
        /// A SYN is sent to the guest for a client of a published port.
        case synSent
        /// SYN and ACK are sent to the guest.
        case synReceived
        case established
        /// The host has closed its side; the guest has not acknowledged that.
        case finWait1
        /// The host has closed its side; the guest may still send.
        case finWait2
        /// The guest has closed its side; the host may still send.
        case closeWait
        /// Both have closed; the guest has not acknowledged the host's FIN.
        case closing
        /// The guest closed first; it has not acknowledged the host's FIN.
        case lastAck
        /// Both directions are closed.
        case timeWait
        /// The connection with the guest is over, but bytes from the guest still wait for the host socket.
        case draining
    }

    /// The guest; `nil` if the connection uses an agent without queues, which is no guest of the network.
    public let guest: Guest.ID?
    public let transport: Transport
    public let state: State
    /// Whether a client of a published port, or of a forward through an agent, opened the flow.
    public let isOpenedByHost: Bool
    /// Whether the connection bypasses the link: a shard relays its bytes between a host socket and either a socket
    /// inside the guest or a connection to the agent.
    public let isSpliced: Bool
    /// The guest's end; for a ping the port is its identifier. `nil` for a unix socket, and for a program in the guest
    /// that uses one of the host's sockets.
    public let guestAddress: TransportAddress?
    /// The remote end as the guest sees it; `nil` for a unix socket, and for a UDP mapping or ping that may have
    /// several remote ends.
    public let remoteAddress: TransportAddress?
    /// The address of the host socket's peer: the server that the guest connects to, or the client of a published port.
    /// `nil` if there is none.
    public let hostAddress: TransportAddress?
    /// Payload bytes of a connection so far; zero for UDP mappings and pings.
    public let bytesFromGuest: UInt64
    public let bytesToGuest: UInt64
    /// Nanoseconds since the last activity: of TCP, the guest's last segment; of UDP, the last datagram; of a ping,
    /// the last echo request; of a spliced connection, the last event of its sockets. Zero for a connection that the
    /// agents' thread relays.
    public let idleNanoseconds: UInt64
    /// The number of the `AgentPlace` through which an agent's connection came; `nil` once that place is removed, and
    /// for all other flows.
    public internal(set) var place: PublishedPort.ID?
    /// The paths of the unix sockets at the two ends of a connection through an agent: on the host, and in the guest.
    public internal(set) var hostPath: String?
    public internal(set) var guestPath: String?

    /// The number of the forward or host socket that a connection through an agent uses; zero for all other flows.
    let route: UInt32

    init(guest: Guest.ID?, record: FlowRecord) {
        let key = record.key
        let guestEnd = TransportAddress(address: key.guest, port: key.guestPort)
        let remoteEnd = TransportAddress(address: key.remote, port: key.remotePort)
        self.guest = guest
        transport = Transport(record.kind)
        state = State(record.state)
        isOpenedByHost = record.isOpenedByHost
        isSpliced = record.isSpliced
        if record.route != 0 {
            // Port 0 means that the end has no address.
            guestAddress = key.guestPort == 0 ? nil : guestEnd
            remoteAddress = key.remotePort == 0 ? nil : remoteEnd
            hostAddress = remoteAddress
        } else {
            let hasRemote = key.remotePort != 0 || record.kind == .tcp
            guestAddress = guestEnd
            remoteAddress = hasRemote ? remoteEnd : nil
            hostAddress = hasRemote && record.kind != .ping ? record.hostAddress : nil
        }
        bytesFromGuest = record.bytesFromGuest
        bytesToGuest = record.bytesToGuest
        idleNanoseconds = record.idle
        route = record.route
    }
}

extension NetworkFlow.Transport {
    init(_ kind: Flow.Kind) {
        self =
            switch kind {
            case .tcp: .tcp
            case .udp, .forwardedUDP, .peer: .udp
            case .ping: .icmp
            }
    }
}

extension NetworkFlow.State {
    init(_ state: TCPState) {
        self =
            switch state {
            case .connecting: .connecting
            case .synSent: .synSent
            case .synReceived: .synReceived
            case .established: .established
            case .finWait1: .finWait1
            case .finWait2: .finWait2
            case .closeWait: .closeWait
            case .closing: .closing
            case .lastAck: .lastAck
            case .timeWait: .timeWait
            case .draining: .draining
            }
    }
}
