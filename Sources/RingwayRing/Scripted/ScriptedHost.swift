internal import CRingway
public import RingwaySystem

/// The world of scripted rings: its clock and files, and the script that says when an operation has its turn, how much it
/// moves, and how it fails. A simulation makes a subclass of it the model of its thread.
open class ScriptedHost: HostModel {
    private func missing(_ call: StaticString = #function) -> Never { fatalError("a scripted host has no \(call)") }

    /// Monotonic nanoseconds.
    open var now: UInt64 { missing() }

    /// A ring is made; its descriptor.
    open func opened(_ ring: ScriptedRing) -> Int32 { missing() }
    open func closed(_ ring: ScriptedRing) {}
    /// The ring of a descriptor; `nil` when it is gone.
    open func ring(_ descriptor: Int32) -> ScriptedRing? { missing() }
    /// The file of a descriptor; `nil` when there is none, which only a faulty program asks for.
    open func file(_ descriptor: Int32) -> ScriptedFile? { missing() }

    // MARK: The script

    /// When an operation is attempted that has been submitted, or woken: nanoseconds from now. Zero is at once.
    open func delay(of operation: ScriptedOperation) -> UInt64 { 0 }
    /// Has `ScriptedRing.attempt` called then.
    open func schedule(_ operation: ScriptedOperation, after nanoseconds: UInt64) { missing() }
    /// Nanoseconds between what an operation does and its completion.
    open func lateness(of operation: ScriptedOperation) -> UInt64 { 0 }
    /// Has `ScriptedRing.deliver` called then.
    open func schedule(_ completion: Completion, of operation: ScriptedOperation?, to ring: ScriptedRing, at: UInt64) {
        missing()
    }
    /// A completion can be taken from a ring.
    open func completed(_ ring: ScriptedRing, _ completion: Completion) {}
    /// An `errno` by which an attempt fails whatever its file would say; zero for none.
    open func failure(of operation: ScriptedOperation) -> Int32 { 0 }
    /// How many bytes of `count` an operation on a stream moves at the most.
    open func share(of count: Int, _ operation: ScriptedOperation) -> Int { count }
    /// Whether a multishot operation ends after this completion.
    open func ends(_ operation: ScriptedOperation) -> Bool { false }
    /// Whether a cancel comes too late for an operation that is not waiting.
    open func isTooLate(toCancel operation: ScriptedOperation) -> Bool { false }
    /// The program has done what no program may.
    open func blame(_ text: String) { missing() }
}

/// An operation of a scripted ring, from its submission to its completion.
public final class ScriptedOperation {
    enum State { case scheduled, waiting, over }

    let entry: io_uring_sqe
    public let ring: ScriptedRing
    public let file: ScriptedFile
    var state = State.scheduled
    /// A cancel came too late to end it at once: it ends with this attempt, whatever it comes to.
    var isLast = false
    /// A connect that is under way.
    var isConnecting = false
    /// Completions keep their order.
    var lastDelivery: UInt64 = 0
    /// Completions that have not been delivered, and keep the file.
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
