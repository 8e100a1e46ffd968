internal import NIOCore

/// The event stream of one client: events wait up to a bound while it has no room; the rest is lost, and reported as a
/// count.
///
/// Confined to the connection's thread.
final class EventStream {
    /// Events that wait for a slow reader, beside what its socket and the connection's 64 KiB hold.
    static var mostWaiting: Int { 256 }

    private var waiting = CircularBuffer<ByteBuffer>()
    private var lost = 0
    /// Whether the connection takes more.
    private let isWritable: () -> Bool
    private let write: (ByteBuffer) -> Void
    private let push: () -> Void

    init(isWritable: @escaping () -> Bool, write: @escaping (ByteBuffer) -> Void, push: @escaping () -> Void) {
        self.isWritable = isWritable
        self.write = write
        self.push = push
    }

    /// Takes an event for the listener, or counts it as lost.
    func offer(_ event: ByteBuffer) {
        if waiting.isEmpty, lost == 0, isWritable() { return write(event) }
        // Events after a loss are lost too until the loss has been reported, so that the report stands in its place.
        guard lost == 0, waiting.count < Self.mostWaiting else { return lose(1) }
        waiting.append(event)
    }

    /// Counts events that never got here.
    func lose(_ count: Int) { lost += count }

    /// Flushes what was written, and writes waiting events as far as there is room.
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
