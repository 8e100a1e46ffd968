public import CRingway
internal import Glibc

/// A file of the model that scripted rings work on: what a descriptor names, and what operations hold.
///
/// Subclasses are the kinds of files. Their calls never wait: they return what they moved, or a negated `errno`, EAGAIN
/// where the caller would have to wait; then it is attempted again after `changed`.
open class ScriptedFile {
    /// Descriptors and operations that keep the file.
    public private(set) var holds = 0
    /// Operations that wait for a change, the oldest first.
    private var waiting: [ScriptedOperation] = []

    public init() {}

    public func hold() { holds += 1 }

    /// One descriptor or operation less; with the last one the file is gone.
    public func letGo() {
        precondition(holds > 0, "a file of the model is let go more often than it was held")
        holds -= 1
        if holds == 0 { released() }
    }

    func wait(_ operation: ScriptedOperation) { waiting.append(operation) }

    func stopWaiting(_ operation: ScriptedOperation) { waiting.removeAll { $0 === operation } }

    /// There is something to receive now, or room, or an end: what waits is attempted again.
    public func changed() {
        guard !waiting.isEmpty else { return }
        let woken = waiting
        waiting = []
        for operation in woken { operation.ring.wake(operation) }
    }

    // MARK: What kinds of files do

    /// Nothing refers to the file any more.
    open func released() {}
    /// Whether a send or receive may move less than it was asked for.
    open var isStream: Bool { false }
    /// What poll(2) reports now.
    open var events: UInt32 { 0 }
    open func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int { Int(-EINVAL) }
    /// recvmsg(2): fills in what the message points to.
    open func receive(_ message: UnsafeMutablePointer<msghdr>) -> Int { Int(-EINVAL) }
    open func send(_ slices: [UnsafeRawBufferPointer]) -> Int { Int(-EINVAL) }
    /// sendmsg(2) with a name.
    open func send(_ message: UnsafePointer<msghdr>, _ slices: [UnsafeRawBufferPointer]) -> Int { send(slices) }
    /// Zero, EINPROGRESS or what the connect failed with, negated.
    open func connect(_ address: UnsafePointer<sockaddr>, _ length: UInt32) -> Int { Int(-EINVAL) }
    /// What has become of a connect: the same.
    open var connectOutcome: Int { Int(-EINVAL) }
    /// A descriptor, or a negated `errno`.
    open func accept() -> Int { Int(-EINVAL) }
}
