internal import CRingway
internal import Glibc
internal import RingwayConversation

/// A socket at which agents arrive.
final class AgentListener: LoopMember {
    /// Which machines may connect, at a vsock.
    private let peers: VsockPeers?
    /// This machine's own CID.
    private let own: Int64
    /// Whether agents were left in the queue, because there were no descriptors for them.
    private var hasLeftAgents = false

    init(_ descriptor: Int32, peers: VsockPeers? = nil, own: Int64 = -1) {
        self.peers = peers
        self.own = own
        super.init(descriptor)
    }

    /// Arrivals that are taken before others get their turn.
    private static var turnArrivals: Int { 256 }

    override func ready(_ event: EventQueue.Event) { takeAll() }
    override func goOn() { takeAll() }

    private func takeAll() {
        guard let loop else { return }
        for _ in 0..<Self.turnArrivals {
            let accepted = ringway_accept_stream(descriptor, true)
            guard accepted >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                hasLeftAgents = errno != EAGAIN
                return
            }
            let origin = ConversationOrigin(accepted, listener: tag)
            if let peers, !peers.admits(origin.machine ?? -1, own: own) {
                Glibc.close(accepted)
                loop.reception.turnAway(origin.machine ?? -1)
                continue
            }
            loop.greet(FreshConversation(accepted, origin: origin, now: loop.now))
        }
        loop.resume(self)
    }

    /// Edges tell of arrivals once; where there were no descriptors for them, they are taken later.
    override func look(at now: UInt64) {
        if hasLeftAgents { takeAll() }
    }
}

/// Where a conversation came from, as far as the kernel vouches for it.
struct ConversationOrigin: Hashable {
    /// The listener, or the monitor's socket.
    let listener: UInt64
    /// The CID of the machine, of a vsock.
    let machine: Int64?

    init(_ descriptor: Int32, listener: UInt64) {
        self.listener = listener
        let machine = ringway_vsock_peer(descriptor)
        self.machine = machine >= 0 ? machine : nil
    }
}
