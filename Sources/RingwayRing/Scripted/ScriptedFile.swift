public import CRingway
internal import Glibc

/// A file of the model used by scripted rings, referenced by descriptors and operations.
///
/// Each kind of file is a subclass. Its calls never block: they return a count or a negated `errno`. After EAGAIN the
/// operation is attempted again when `changed` is called.
open class ScriptedFile {
    /// The number of descriptors and operations that reference the file.
    public private(set) var holds = 0
    /// Operations that wait for a change, oldest first.
    private var waiting: [ScriptedOperation] = []

    public init() {}

    public func hold() { holds += 1 }

    /// Removes one reference; the last one releases the file.
    public func letGo() {
        precondition(holds > 0, "a file of the model is let go more often than it was held")
        holds -= 1
        if holds == 0 { released() }
    }

    func wait(_ operation: ScriptedOperation) { waiting.append(operation) }

    func stopWaiting(_ operation: ScriptedOperation) { waiting.removeAll { $0 === operation } }

    /// Makes the rings attempt the waiting operations again. A subclass calls this when the file has become readable or
    /// writable, or has ended.
    public func changed() {
        guard !waiting.isEmpty else { return }
        let woken = waiting
        waiting = []
        for operation in woken { operation.ring.wake(operation) }
    }

    // MARK: Overridden by kinds of files

    /// Called when the last reference is gone.
    open func released() {}
    /// Whether a send or receive may be partial.
    open var isStream: Bool { false }
    /// The events that poll(2) would report now.
    open var events: UInt32 { 0 }
    open func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int { Int(-EINVAL) }
    /// recvmsg(2): writes to the memory to which the message points.
    open func receive(_ message: UnsafeMutablePointer<msghdr>) -> Int { Int(-EINVAL) }
    open func send(_ slices: [UnsafeRawBufferPointer]) -> Int { Int(-EINVAL) }
    /// sendmsg(2) of a message that may have a destination address; `slices` is its payload.
    open func send(_ message: UnsafePointer<msghdr>, _ slices: [UnsafeRawBufferPointer]) -> Int { send(slices) }
    /// connect(2). Returns zero or a negated `errno`; after -EINPROGRESS the result is in `connectOutcome`.
    open func connect(_ address: UnsafePointer<sockaddr>, _ length: UInt32) -> Int { Int(-EINVAL) }
    /// The result of a connect in progress: zero or a negated `errno`, which is -EINPROGRESS while the result is
    /// unknown.
    open var connectOutcome: Int { Int(-EINVAL) }
    /// accept(2). Returns a descriptor, or a negated `errno`.
    open func accept() -> Int { Int(-EINVAL) }
}
