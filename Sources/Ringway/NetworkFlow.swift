public import RingwayModel
internal import RingwayStack

/// A flow of a guest, as it was at the time of the request.
public struct NetworkFlow: Sendable {
    public enum Transport: String, Hashable, Sendable { case tcp, udp, icmp }

    /// The states of RFC 9293 §3.3.2, as a gateway meets them; `established` for everything but TCP.
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// The guest's SYN has come, and the host's socket is connecting.
        case connecting
        /// A SYN is sent to the guest for a client of a published port.
        case synSent
        /// SYN and ACK are sent to the guest.
        case synReceived
        case established
        /// The host has ended, and the guest has not acknowledged it.
        case finWait1
        /// The host has ended; the guest still sends.
        case finWait2
        /// The guest has ended; the host still sends.
        case closeWait
        /// Both have ended, and the guest has not acknowledged it.
        case closing
        /// The guest ended first, and has not acknowledged the host's end.
        case lastAck
        /// Both directions have ended.
        case timeWait
        /// The guest is gone; bytes that it sent still go to the host.
        case draining
    }

    /// The guest; `nil` for a connection through an agent that carries no frames.
    public let guest: Guest.ID?
    public let transport: Transport
    public let state: State
    /// Whether a client of a published port began it.
    public let isOpenedByHost: Bool
    /// Whether it goes around the link, by a socket inside the guest.
    public let isSpliced: Bool
    /// The guest's end; `nil` for a unix socket, and for a program of the guest's that uses a socket of the host's. Of a ping
    /// the port is its identifier.
    public let guestAddress: TransportAddress?
    /// The other end, as the guest knows it; `nil` for a mapping that has any number of them, and for a unix socket.
    public let remoteAddress: TransportAddress?
    /// Where the host's socket is connected to, or its client; `nil` where there is no such address.
    public let hostAddress: TransportAddress?
    /// Bytes of payload so far; zero where they are not counted.
    public let bytesFromGuest: UInt64
    public let bytesToGuest: UInt64
    /// Nanoseconds since the guest was last heard, or since the last datagram.
    public let idleNanoseconds: UInt64
    /// The place by which a connection through an agent came, while that place exists.
    public internal(set) var place: PublishedPort.ID?
    /// Of a connection through an agent: the unix socket at the host's end, and the one in the guest.
    public internal(set) var hostPath: String?
    public internal(set) var guestPath: String?

    /// The number of what it came by through an agent; zero for every other flow.
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
            // Port 0 stands for an end that has no address.
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
