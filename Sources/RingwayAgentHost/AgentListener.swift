internal import CRingway
internal import Glibc
internal import RingwayConversation

/// A socket at which agents arrive.
final class AgentListener: LoopMember {
    /// Whether agents were left in the queue, because there were no descriptors for them.
    private var hasLeftAgents = false

    override func ready(_ event: EventQueue.Event) { takeAll() }

    private func takeAll() {
        guard let loop else { return }
        while true {
            let accepted = ringway_accept_stream(descriptor, true)
            guard accepted >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                hasLeftAgents = errno != EAGAIN
                return
            }
            loop.greet(FreshConversation(accepted, origin: ConversationOrigin(accepted, listener: tag), now: loop.now))
        }
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
