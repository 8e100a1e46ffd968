internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A listening socket for agents.
final class AgentListener: AcceptingMember {
    /// The machines that may connect by vsock; `nil` if peers are not checked.
    private let peers: VsockPeers?
    /// This machine's own CID.
    private let own: Int64

    init(_ descriptor: Int32, peers: VsockPeers? = nil, own: Int64 = -1) {
        self.peers = peers
        self.own = own
        super.init(descriptor)
    }

    override func accepted(_ connection: Int32) {
        guard let host else {
            Glibc.close(connection)
            return
        }
        let origin = ChannelOrigin(connection, listener: number)
        if let peers, !peers.admits(origin.machine ?? -1, own: own) {
            Glibc.close(connection)
            return host.reception.turnAway(origin.machine ?? -1)
        }
        host.expectHello(on: PendingChannel(connection, origin: origin, now: host.loop.now))
    }
}

/// The listener and the machine from which a channel was opened. Both are known without a message of the peer, so the
/// peer cannot forge them.
struct ChannelOrigin: Hashable {
    /// The number of the listener, or of the monitor's socket.
    let listener: UInt64
    /// The CID of the peer's machine; `nil` for a unix socket.
    let machine: Int64?

    init(_ descriptor: Int32, listener: UInt64) {
        self.listener = listener
        let machine = ringway_vsock_peer(descriptor)
        self.machine = machine >= 0 ? machine : nil
    }
}
