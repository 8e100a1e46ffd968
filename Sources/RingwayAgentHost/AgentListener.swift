internal import CRingway
internal import Glibc
internal import RingwayConversation

/// A socket at which agents arrive.
final class AgentListener: LoopMember {

    override func ready(_ event: EventQueue.Event) {
        guard let loop else { return }
        while true {
            let accepted = ringway_accept(descriptor, true)
            guard accepted >= 0 else {
                // Of no descriptors the next look makes sure that nobody waits for ever.
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            loop.watch(FreshConversation(accepted, origin: ConversationOrigin(accepted, listener: tag), now: loop.now))
        }
    }

    /// Edges tell of arrivals once; where there were no descriptors for them, they are taken later.
    override func look(at now: UInt64) {
        ready(EventQueue.Event(tag: tag, isReadable: true, isWritable: false, hasError: false))
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
