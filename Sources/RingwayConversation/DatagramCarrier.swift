internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol

/// Datagrams between a conversation, where each is a record, and a connected UDP socket of the guest's.
///
/// The conversation holds its sender back and the socket loses what does not fit, as UDP does; a record is never cut.
public final class DatagramCarrier {
    /// What a turn found.
    public enum Verdict {
        /// Everything that was there is carried; an event tells of more.
        case settled
        /// There may be more, for another turn: nobody else is to wait for it.
        case busy
        case over, failed
    }

    /// The beginning of a record that has not come whole: header and payload.
    private var arriving: [UInt8] = []
    /// Records, or the rest of one, that the conversation had no room for.
    private var departing: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: StreamRecord.headerLength + StreamRecord.maximumDatagramLength)

    /// Records that one turn carries at the most, each way.
    private static var turnRecords: Int { 64 }

    /// Octets of datagrams that may wait for room.
    private static var longestBacklog: Int { 256 << 10 }

    /// Adds a datagram for the conversation that came by another way than the socket; the next turn sends it. Lost where
    /// too many wait.
    public func add(_ payload: [UInt8]) {
        guard departing.count + payload.count <= Self.longestBacklog else { return }
        departing += Self.header(of: payload.count)
        departing += payload
    }

    private static func header(of count: Int) -> [UInt8] {
        let header = count == 0 ? StreamRecord.emptyDatagram : UInt32(count)
        return withUnsafeBytes(of: header.littleEndian) { Array($0) }
    }

    /// Carries what there is, both ways.
    public func turn(link: Int32, socket: Int32) -> Verdict {
        let inward = takeRecords(link, socket)
        if inward == .over || inward == .failed { return inward }
        let outward = takeDatagrams(socket, link)
        return outward == .settled ? inward : outward
    }

    /// Nothing is under way yet.
    public init() {}

    // MARK: Toward the socket

    private func takeRecords(_ link: Int32, _ socket: Int32) -> Verdict {
        // Of each record the header is received, then the rest.
        for _ in 0..<2 * Self.turnRecords {
            let wanted = missing
            let received = recv(link, &buffer, wanted, Int32(MSG_DONTWAIT))
            guard received > 0 else {
                if received < 0, errno == EINTR { continue }
                return received < 0 && errno == EAGAIN ? .settled : .failed
            }
            arriving += buffer[..<received]
            guard received == wanted else { continue }
            guard arriving.count >= StreamRecord.headerLength else { continue }
            switch payloadLength {
            case .none: return .failed
            case .some(let length) where arriving.count == StreamRecord.headerLength + length:
                if header == StreamRecord.end { return .over }
                let start = StreamRecord.headerLength
                // A datagram that nobody takes is lost.
                _ = arriving[start...].withUnsafeBytes {
                    send(socket, $0.baseAddress, length, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                }
                arriving.removeAll(keepingCapacity: true)
            default: break
            }
        }
        return .busy
    }

    private var header: UInt32 {
        arriving.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
    }

    /// Octets of the payload; `nil` when the header cannot be.
    private var payloadLength: Int? {
        let header = header
        if header == StreamRecord.end || header == StreamRecord.emptyDatagram { return 0 }
        return Int(header) <= StreamRecord.maximumDatagramLength ? Int(header) : nil
    }

    /// Octets up to the end of the header, or of the record.
    private var missing: Int {
        guard arriving.count >= StreamRecord.headerLength else { return StreamRecord.headerLength - arriving.count }
        return StreamRecord.headerLength + (payloadLength ?? 0) - arriving.count
    }

    // MARK: From the socket

    private func takeDatagrams(_ socket: Int32, _ link: Int32) -> Verdict {
        for _ in 0..<Self.turnRecords {
            guard flush(link) else { return .failed }
            guard departing.isEmpty else { return .settled }
            let start = StreamRecord.headerLength
            let received = buffer.withUnsafeMutableBytes {
                recv(socket, $0.baseAddress.map { $0 + start }, $0.count - start, Int32(MSG_DONTWAIT))
            }
            guard received >= 0 else {
                // A refused datagram is an error of the next call only; the server may come back.
                if errno == EINTR || errno == ECONNREFUSED { continue }
                return errno == EAGAIN ? .settled : .failed
            }
            buffer.replaceSubrange(..<start, with: Self.header(of: received))
            departing = Array(buffer[..<(start + received)])
        }
        return .busy
    }

    /// Sends what is left of a record. False means that the conversation is gone.
    private func flush(_ link: Int32) -> Bool {
        while !departing.isEmpty {
            let sent = send(link, departing, departing.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            guard sent > 0 else {
                if sent < 0, errno == EINTR { continue }
                return sent < 0 && errno == EAGAIN
            }
            departing.removeFirst(sent)
        }
        return true
    }
}
