internal import CRingway
internal import Glibc

/// The four octets before each record, on their way out of a stream or into one: a little-endian count of the octets
/// that follow.
@frozen
public struct RecordHeader: BitwiseCopyable {
    /// What a stream has.
    public enum Arrival {
        /// A record of so many octets.
        case record(Int)
        /// The direction's end.
        case end
        /// The header is not all there yet.
        case waiting
        /// The stream has ended or failed, or says what cannot be.
        case broken
    }

    /// How far a header got.
    public enum Departure { case sent, waiting, broken }

    /// A peer that says more is not believed.
    static var maximumRecord: UInt32 { 1 << 24 }

    /// The octets, the next of them lowest.
    private var value: UInt32 = 0
    /// Octets that have come, or that are still to go.
    private var count: UInt8 = 0

    public init() {}

    /// Whether nothing is to be sent.
    public var isDone: Bool { count == 0 }

    /// Has a header sent by the calls of `send` that follow.
    public mutating func write(_ octets: UInt32) {
        value = octets.littleEndian
        count = 4
    }

    /// Sends what is left of the header.
    public mutating func send(_ sink: Int32) -> Departure {
        while count > 0 {
            var rest = value
            let sent = Glibc.send(
                sink, &rest, Int(count), Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if sent > 0 {
                value = sent < 4 ? value >> UInt32(8 * sent) : 0
                count -= UInt8(sent)
            } else if sent == 0 || errno == EAGAIN {
                return .waiting
            } else if errno != EINTR {
                return .broken
            }
        }
        return .sent
    }

    /// Takes what the source has of a header.
    public mutating func receive(_ source: Int32) -> Arrival {
        while count < 4 {
            var part: UInt32 = 0
            let received = recv(source, &part, Int(4 - count), Int32(MSG_DONTWAIT))
            if received > 0 {
                value |= part << UInt32(8 * count)
                count += UInt8(received)
            } else if received == 0 {
                return .broken
            } else if errno == EAGAIN {
                return .waiting
            } else if errno != EINTR {
                return .broken
            }
        }
        let octets = UInt32(littleEndian: value)
        value = 0
        count = 0
        guard octets > 0 else { return .end }
        return octets <= Self.maximumRecord ? .record(Int(octets)) : .broken
    }
}
