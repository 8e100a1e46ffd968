internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// The header of a record (`StreamRecord`) while it is being received or sent, which may take several calls.
@frozen
public struct RecordHeader: BitwiseCopyable {
    /// The result of receiving a header.
    enum Received {
        /// A record of this many bytes.
        case record(Int)
        /// The header that ends the direction (`StreamRecord.end`).
        case end
        /// The header is incomplete.
        case incomplete
        /// The stream has ended or failed, or the length is out of bounds.
        case broken
    }

    /// The result of sending a header.
    enum Sent { case whole, part, broken }

    /// While sending, the bytes still to be sent, the next one in the lowest bits. While receiving, the bytes received
    /// so far.
    private var value: UInt32 = 0
    /// Bytes received, or bytes still to be sent.
    private var count: UInt8 = 0

    public init() {}

    /// Whether there is nothing to send.
    var isDone: Bool { count == 0 }

    /// Sets the header that `send` sends: of a record of `bytes` bytes or, if `bytes` is zero, the header that ends
    /// the direction.
    mutating func write(_ bytes: UInt32) {
        value = bytes.littleEndian
        count = UInt8(StreamRecord.headerLength)
    }

    /// Sends the rest of the header.
    mutating func send(_ sink: Int32) -> Sent {
        while count > 0 {
            var rest = value
            let sent = HostCalls.send(
                sink, &rest, Int(count), Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if sent > 0 {
                value = sent < 4 ? value >> UInt32(8 * sent) : 0
                count -= UInt8(sent)
            } else if sent == 0 || errno == EAGAIN {
                return .part
            } else if errno != EINTR {
                return .broken
            }
        }
        return .whole
    }

    /// Receives bytes of a header from the source.
    mutating func receive(_ source: Int32) -> Received {
        while count < UInt8(StreamRecord.headerLength) {
            var part: UInt32 = 0
            let received = HostCalls.receive(source, &part, StreamRecord.headerLength - Int(count), Int32(MSG_DONTWAIT))
            if received > 0 {
                value |= part << UInt32(8 * count)
                count += UInt8(received)
            } else if received == 0 {
                return .broken
            } else if errno == EAGAIN {
                return .incomplete
            } else if errno != EINTR {
                return .broken
            }
        }
        let bytes = UInt32(littleEndian: value)
        value = 0
        count = 0
        guard bytes != StreamRecord.end else { return .end }
        return bytes <= StreamRecord.maximumLength ? .record(Int(bytes)) : .broken
    }
}
