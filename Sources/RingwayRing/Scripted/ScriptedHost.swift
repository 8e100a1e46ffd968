internal import CRingway
public import RingwaySystem

/// The environment of scripted rings: clock, files, and a script that decides when an operation is attempted, how much
/// it moves, and how it fails. Simulations subclass it.
open class ScriptedHost: HostModel {
    private func missing(_ call: StaticString = #function) -> Never { fatalError("a scripted host has no \(call)") }

    /// Monotonic nanoseconds.
    open var now: UInt64 { missing() }

    /// Called when a ring is created. Returns the descriptor that the ring gets.
    open func opened(_ ring: ScriptedRing) -> Int32 { missing() }
    open func closed(_ ring: ScriptedRing) {}
    /// The ring of a descriptor; `nil` if it has been closed.
    open func ring(_ descriptor: Int32) -> ScriptedRing? { missing() }
    /// The file of a descriptor; `nil` if there is none, which is a bug of the program under test.
    open func file(_ descriptor: Int32) -> ScriptedFile? { missing() }

    // MARK: The script

    /// Nanoseconds until a submitted or woken operation is attempted; zero for immediately.
    open func delay(of operation: ScriptedOperation) -> UInt64 { 0 }
    /// Calls `ScriptedRing.attempt` after the delay.
    open func schedule(_ operation: ScriptedOperation, after nanoseconds: UInt64) { missing() }
    /// Nanoseconds between an operation's execution and its completion.
    open func lateness(of operation: ScriptedOperation) -> UInt64 { 0 }
    /// Calls `ScriptedRing.deliver` at the given time.
    open func schedule(_ completion: Completion, of operation: ScriptedOperation?, to ring: ScriptedRing, at: UInt64) {
        missing()
    }
    /// Called when a ring has a new completion.
    open func completed(_ ring: ScriptedRing, _ completion: Completion) {}
    /// The `errno` of a failure that is injected into an attempt, whatever the state of the file; zero for none.
    open func failure(of operation: ScriptedOperation) -> Int32 { 0 }
    /// The most bytes of `count` that an operation on a stream moves.
    open func share(of count: Int, _ operation: ScriptedOperation) -> Int { count }
    /// Whether a multishot operation ends after this completion.
    open func ends(_ operation: ScriptedOperation) -> Bool { false }
    /// Whether a cancel comes too late for an operation that is being executed.
    open func isTooLate(toCancel operation: ScriptedOperation) -> Bool { false }
    /// Reports a bug of the program under test.
    open func blame(_ text: String) { missing() }
}

/// An operation of a scripted ring, from its submission to its completion.
public final class ScriptedOperation {
    enum State { case scheduled, waiting, over }

    let entry: io_uring_sqe
    public let ring: ScriptedRing
    public let file: ScriptedFile
    var state = State.scheduled
    /// The operation was cancelled too late to end at once: it gets one more attempt and then ends, whatever the
    /// result.
    var isLast = false
    /// Whether the operation is a connect that has been attempted.
    var isConnecting = false
    /// The latest time for which a completion of the operation has been scheduled. Its further completions are not
    /// delivered before that time.
    var lastDelivery: UInt64 = 0
    /// The number of completions that have not been delivered. Until they are, the operation references its file.
    var undelivered = 0

    init(_ entry: io_uring_sqe, _ ring: ScriptedRing, _ file: ScriptedFile) {
        self.entry = entry
        self.ring = ring
        self.file = file
    }

    public var tag: UInt64 { entry.user_data }
    public var tenant: UInt16 { OperationTag(rawValue: tag).tenant }
    public var descriptor: Int32 { entry.fd }
    public var kind: Kind {
        switch OperationCode(rawValue: entry.opcode) {
        case .receive, .receiveMessage, .read, .readMultishot, .readSlices: .receive
        case .send, .sendMessage, .write, .writeSlices: .send
        case .connect: .connect
        case .accept: .accept
        case .poll: .poll
        default: .other
        }
    }

    public enum Kind: UInt8 { case receive, send, connect, accept, poll, other }
}
