internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// The header of a record (`StreamRecord`), on its way out of a stream or into one, where it may be cut anywhere.
@frozen
public struct RecordHeader: BitwiseCopyable {
    /// What a stream has.
    enum Received {
        /// A record of so many bytes.
        case record(Int)
        /// The direction's end.
        case end
        /// The header is not all there yet.
        case incomplete
        /// The stream has ended or failed, or the header is out of bounds.
        case broken
    }

    /// How far a header got.
    enum Sent { case whole, part, broken }

    /// The bytes, the next of them lowest.
    private var value: UInt32 = 0
    /// Bytes that have been received, or that are still to be sent.
    private var count: UInt8 = 0

    public init() {}

    /// Whether nothing is to be sent.
    var isDone: Bool { count == 0 }

    /// Has the header of a record of so many bytes sent by the calls of `send` that follow; zero is the end.
    mutating func write(_ bytes: UInt32) {
        value = bytes.littleEndian
        count = UInt8(StreamRecord.headerLength)
    }

    /// Sends what is left of the header.
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

    /// Takes what the source has of a header.
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
