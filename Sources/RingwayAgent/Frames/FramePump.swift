internal import CRingway
internal import Glibc
internal import RingwaySystem
internal import Synchronization

/// Moves ethernet frames between the queues of a TAP device and their channels to the host.
///
/// Each queue has two threads, one per direction. A thread's only state is a buffer, into which it gathers frames so
/// that one call on the channel sends or receives many. The threads block in the kernel, so that a slow host exerts
/// backpressure on the queue, and the queue on its senders. A thread that wakes up does not preempt the thread that
/// produces the frames (SCHED_BATCH), so that on few processors more frames are gathered per call.
final class FramePump: Sendable {
    /// Why frames have stopped.
    enum Ending: Int, Sendable {
        case none = 0
        /// The host has closed the channel, or the channel has failed.
        case channel
        /// The host has sent an invalid length.
        case invalidFrame
        /// The device was deleted.
        case device
    }

    private let reason = Atomic<Int>(0)
    /// Signalled when frames have stopped.
    let ended: Wakeup
    private let sockets: Mutex<[Int32]>
    private let threads = Mutex<[SystemThread]>([])

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - queues: the device's queues, which stay the caller's.
    ///   - sockets: blocking, one for each queue; adopted, even if this throws.
    init(queues: [Int32], sockets: [Int32]) throws(SystemError) {
        do throws(SystemError) {
            ended = try Wakeup()
        } catch {
            for socket in sockets { close(socket) }
            throw error
        }
        self.sockets = Mutex(sockets)
        do throws(SystemError) {
            for (queue, socket) in zip(queues, sockets) { try start(queue, socket) }
        } catch {
            stop()
            throw error
        }
    }

    private func start(_ queue: Int32, _ socket: Int32) throws(SystemError) {
        ringway_set_buffers(socket, Self.socketBytes, Self.socketBytes)
        try add("from-guest") { FramesFromGuest.run(queue: queue, socket: socket) }
        try add("to-guest") { FramesToGuest.run(queue: queue, socket: socket) }
    }

    private func add(_ name: StaticString, _ move: @escaping @Sendable () -> Ending) throws(SystemError) {
        let thread = try SystemThread(name, stackBytes: 256 << 10, kind: .frames) { [self] in
            ringway_never_preempt()
            end(move())
        }
        threads.withLock { $0.append(thread) }
    }

    /// The socket buffer size: room for several GSO frames of 64 KiB, but small enough for the processor's cache.
    private static var socketBytes: Int32 { 512 << 10 }

    /// Why frames have stopped.
    var ending: Ending { Ending(rawValue: reason.load(ordering: .acquiring)) ?? .none }

    private func end(_ ending: Ending) {
        // Only the first reason is stored; later ones are its consequences.
        _ = reason.compareExchange(expected: 0, desired: ending.rawValue, ordering: .acquiringAndReleasing)
        ended.signal()
    }

    /// Shuts down the channels and waits for the threads.
    func stop() {
        let open = sockets.withLock { sockets in
            defer { sockets = [] }
            return sockets
        }
        for socket in open { shutdown(socket, Int32(SHUT_RDWR)) }
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { thread.join() }
        for socket in open { close(socket) }
    }
}
