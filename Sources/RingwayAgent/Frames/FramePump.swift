internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import Synchronization

/// Carries ethernet frames between the queues of a TAP device and their conversations with the host.
///
/// Each queue has two plain threads, one for either direction, whose whole state is a buffer: many frames are taken from
/// one side before the other is called once. They wait in the kernel, so that a host that does not keep up holds the
/// queue back, and the queue its senders. Where processors are scarce they do not interrupt who fills the other side, so
/// that there is more to gather when their turn comes.
final class FramePump: Sendable {
    /// Why frames do not move any more.
    enum Ending: Int, Sendable {
        case none = 0
        /// The host has closed the conversation, or it has failed.
        case conversation
        /// The host has sent what is no frame.
        case nonsense
        /// The device is gone.
        case device
    }

    private let ended = Atomic<Int>(0)
    private let wakeUp: WakeUp
    private let sockets: Mutex<[Int32]>
    private let threads = ThreadList()

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - queues: of the device; they stay the caller's.
    ///   - sockets: blocking, one for each queue; adopted.
    ///   - wakeUp: called once when frames have ceased to move.
    init(queues: [Int32], sockets: [Int32], wakeUp: WakeUp) throws(AgentFailure) {
        self.wakeUp = wakeUp
        self.sockets = Mutex(sockets)
        do throws(AgentFailure) {
            for (queue, socket) in zip(queues, sockets) { try start(queue, socket) }
        } catch {
            stop()
            throw error
        }
    }

    private func start(_ queue: Int32, _ socket: Int32) throws(AgentFailure) {
        ringway_set_buffers(socket, Self.socketOctets, Self.socketOctets)
        threads.add(
            try AgentThread("from-guest") { [self] in
                ringway_never_preempt()
                end(FramesFromGuest.run(queue: queue, socket: socket))
            })
        threads.add(
            try AgentThread("to-guest") { [self] in
                ringway_never_preempt()
                end(FramesToGuest.run(queue: queue, socket: socket))
            })
    }

    /// Octets that may lie in a socket: several super-frames, and not so many that they leave the processor's cache.
    private static var socketOctets: Int32 { 512 << 10 }

    /// Why frames do not move any more.
    var ending: Ending { Ending(rawValue: ended.load(ordering: .acquiring)) ?? .none }

    private func end(_ ending: Ending) {
        // The first reason is the one that counts: the others follow from it.
        _ = ended.compareExchange(expected: 0, desired: ending.rawValue, ordering: .acquiringAndReleasing)
        wakeUp.call()
    }

    /// Ends the conversations and waits for the threads.
    func stop() {
        let open = sockets.withLock { sockets in
            defer { sockets = [] }
            return sockets
        }
        for socket in open { shutdown(socket, Int32(SHUT_RDWR)) }
        threads.join()
        for socket in open { close(socket) }
    }
}
