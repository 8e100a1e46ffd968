internal import NIOCore

/// The event stream of one client. While the client is slow, a limited number of events waits; further events are
/// lost, and their number is reported to the client.
///
/// Used only on the thread of the connections.
final class EventStream {
    /// The most events queued for a slow client, in addition to those in its socket and in the connection's buffer of
    /// 64 KiB.
    static var mostWaiting: Int { 256 }

    private var waiting = CircularBuffer<ByteBuffer>()
    private var lost = 0
    /// Whether the connection's buffer has room for more.
    private let isWritable: () -> Bool
    private let write: (ByteBuffer) -> Void
    private let push: () -> Void

    init(isWritable: @escaping () -> Bool, write: @escaping (ByteBuffer) -> Void, push: @escaping () -> Void) {
        self.isWritable = isWritable
        self.write = write
        self.push = push
    }

    /// Sends or queues an event, or counts it as lost.
    func offer(_ event: ByteBuffer) {
        if waiting.isEmpty, lost == 0, isWritable() { return write(event) }
        // After a loss, further events are counted as lost until the loss has been reported. So the report is in the
        // stream where the events are missing.
        guard lost == 0, waiting.count < Self.mostWaiting else { return lose(1) }
        waiting.append(event)
    }

    /// Counts events as lost.
    func lose(_ count: Int) { lost += count }

    /// Flushes what `offer` has written. While there is room, writes the waiting events, and then the report of a loss.
    func flush() {
        push()
        while isWritable(), let event = waiting.popFirst() {
            write(event)
            push()
        }
        if waiting.isEmpty, lost > 0, isWritable() {
            write(ByteBuffer(bytes: EventMessage.loss(lost)))
            lost = 0
            push()
        }
    }
}
