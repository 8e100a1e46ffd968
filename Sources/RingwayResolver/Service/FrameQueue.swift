internal import Glibc

/// DNS messages to be sent on a stream socket, each preceded by its length in two bytes (RFC 1035 §4.2.2).
struct FrameQueue {
    private var bytes: [UInt8] = []
    private var sent = 0

    /// Bytes that the socket has not accepted.
    var waiting: Int { bytes.count - sent }

    mutating func append(_ message: [UInt8]) {
        precondition(message.count <= Int(UInt16.max))
        if sent > 0 {
            bytes.removeFirst(sent)
            sent = 0
        }
        bytes.append(UInt8(message.count >> 8))
        bytes.append(UInt8(message.count & 0xFF))
        bytes.append(contentsOf: message)
    }

    enum Outcome: Equatable {
        /// The number of bytes that the socket accepted, possibly zero.
        case sent(Int)
        case broken
    }

    /// Sends as much as the socket accepts now.
    mutating func flush(to descriptor: Descriptor) -> Outcome {
        var taken = 0
        while waiting > 0 {
            let count = bytes.withUnsafeBytes { bytes in
                send(
                    descriptor.rawValue, bytes.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count < 0 {
                if errno == EINTR { continue }
                return errno == EAGAIN ? .sent(taken) : .broken
            }
            sent += count
            taken += count
        }
        bytes.removeAll(keepingCapacity: bytes.count <= 4096)
        sent = 0
        return .sent(taken)
    }
}
