internal import Glibc
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// A host socket of a published port on one shard, whose clients or datagrams go to the guest.
///
///     idle ◄──► armed ──► ending ──► gone
///       └──► deferred or starved ──► armed
struct PortListener: BitwiseCopyable {
    /// The state of the multishot accept or receive.
    enum State: UInt8, BitwiseCopyable {
        /// No operation is in flight, for example after a lasting failure of accept.
        case idle
        case armed
        /// A receive found no buffer. The listener is queued to be armed again when a buffer is free.
        case starved
        /// An accept found no free descriptor or memory. The listener is queued to be armed again after a pause.
        case deferred
        /// The socket is returned to the control plane as soon as its operation has completed.
        case ending
    }

    /// Owned by the control plane, which gets it back when no operation is in flight.
    let descriptor: Int32
    /// The control plane's number of the socket's forward; a range of ports is one forward.
    let number: UInt32
    /// The guest's address and port. TCP uses only the port: `AddressBook.target` chooses the address for each
    /// client.
    let guest: TransportAddress
    /// Whether the socket is a TCP listener rather than a UDP socket.
    let isStream: Bool
    var state = State.idle
    /// The links of a starved or deferred listener in its queue.
    var links = SlotLinks()
    /// UDP only: when to check next that the guest has the address, in monotonic nanoseconds, and the nanoseconds
    /// between two checks.
    var doubtAt: UInt64 = 0
    static var doubtInterval: UInt64 { 200_000_000 }
    /// UDP only: the host address and port to which the socket is bound.
    var bound = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    var fragmentation = FragmentationSetting()

    init(descriptor: Int32, number: UInt32, guest: TransportAddress, isStream: Bool) {
        self.descriptor = descriptor
        self.number = number
        self.guest = guest
        self.isStream = isStream
    }

    /// Passes the errors in the listener's error queue to the stack; returns their number.
    func reportErrors(_ stack: inout Stack) -> Int {
        ErrorQueue.drain(descriptor) { error, payload in
            guard let mapping = stack.forwardedMapping(of: error.destination, guest: guest),
                let reason = ICMPError.Reason(error)
            else { return }
            stack.datagramFailed(mapping, to: error.destination, reason, from: error.offender, payload: payload)
        }
    }
}

/// How an accept has failed.
enum AcceptFailure {
    /// The failure concerns one client, or nothing at all: accept is repeated at once.
    case passing
    /// No descriptor is free in the process or on the host.
    case descriptors
    /// The kernel lacks memory.
    case memory
    /// The descriptor is no listening socket. A repeated accept would fail at once, in every turn.
    case lasting
    case cancelled

    init(errno: Int32) {
        switch errno {
        case EMFILE, ENFILE: self = .descriptors
        case ENOMEM, ENOBUFS: self = .memory
        case EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP: self = .lasting
        case ECANCELED: self = .cancelled
        default: self = .passing
        }
    }
}
