internal import CRingway

/// The operations that are emulated, by their numbers in the kernel's interface (include/uapi/linux/io_uring.h).
enum OperationCode: UInt8 {
    case nothing = 0
    case readSlices = 1
    case writeSlices = 2
    case poll = 6
    case sendMessage = 9
    case receiveMessage = 10
    case accept = 13
    case cancel = 14
    case connect = 16
    case close = 19
    case read = 22
    case write = 23
    case send = 26
    case receive = 27
    case shutdown = 34
    case messageRing = 40
    case readMultishot = 49

    /// The condition that an operation waits for.
    enum Need {
        /// The operation needs nothing and completes immediately.
        case none
        /// Input, or room for output. Operations with the same need on one descriptor are attempted in the order of
        /// submission.
        case input, output
        /// The events in the mask of a poll.
        case events
    }

    /// Whether the operation's system call lacks a flag such as MSG_DONTWAIT, so that its file must be non-blocking.
    var needsNonBlockingFile: Bool {
        switch self {
        case .read, .readSlices, .readMultishot, .write, .writeSlices, .accept, .connect: true
        default: false
        }
    }

    var need: Need {
        switch self {
        case .nothing, .cancel, .close, .shutdown, .messageRing: .none
        case .read, .readSlices, .readMultishot, .receive, .receiveMessage, .accept: .input
        case .write, .writeSlices, .send, .sendMessage, .connect: .output
        case .poll: .events
        }
    }
}

extension UnsafeMutablePointer<io_uring_sqe> {
    var code: OperationCode? { OperationCode(rawValue: pointee.opcode) }

    /// Whether the operation continues after a completion.
    var isMultishot: Bool {
        switch code {
        case .readMultishot: true
        case .receive, .receiveMessage: UInt32(pointee.ioprio) & IORING_RECV_MULTISHOT != 0
        case .accept: UInt32(pointee.ioprio) & IORING_ACCEPT_MULTISHOT != 0
        case .poll: pointee.len & IORING_POLL_ADD_MULTI != 0
        default: false
        }
    }
}
