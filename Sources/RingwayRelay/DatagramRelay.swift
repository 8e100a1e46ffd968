internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol

/// Relays datagrams between a connected UDP socket and an agent's channel, on which each datagram is a record
/// (`StreamRecord`).
///
/// Toward the socket, a datagram for which the socket has no room is dropped. Toward the channel, datagrams wait until
/// the channel has room. If the channel accepts only a part of a record, the rest of that record comes next.
public final class DatagramRelay {
    /// The bytes received so far of an incomplete record from the channel, header included.
    private var received: [UInt8] = []
    /// Records that wait for room in the channel. The first may have been sent in part.
    private var unsent: [UInt8] = []
    private var buffer = [UInt8](repeating: 0, count: StreamRecord.headerLength + StreamRecord.maximumDatagramLength)

    /// The most records per visit and direction.
    private static var visitRecords: Int { 64 }

    /// `add` drops a datagram if more bytes than this would then wait for room in the channel.
    private static var maximumUnsent: Int { 256 << 10 }

    public init() {}

    /// Queues a datagram that did not come through the socket, to be sent to the channel later. It is dropped if the
    /// bytes that the channel has not accepted yet are too many.
    public func add(_ payload: [UInt8]) {
        guard unsent.count + payload.count <= Self.maximumUnsent else { return }
        unsent += Self.header(of: payload.count)
        unsent += payload
    }

    private static func header(of count: Int) -> [UInt8] {
        withUnsafeBytes(of: StreamRecord.header(ofDatagram: count).littleEndian) { Array($0) }
    }

    /// Moves datagrams both ways, until EAGAIN or the limit of a visit.
    public func visit(channel: Int32, socket: Int32) -> Relay.State {
        let inward = moveRecords(channel, socket)
        if inward == .finished || inward == .failed { return inward }
        let outward = moveDatagrams(socket, channel)
        return outward == .idle ? inward : outward
    }

    // MARK: Toward the socket

    private func moveRecords(_ channel: Int32, _ socket: Int32) -> Relay.State {
        // For each record, first the header is received, then the rest.
        for _ in 0..<2 * Self.visitRecords {
            let wanted = missing
            let count = recv(channel, &buffer, wanted, Int32(MSG_DONTWAIT))
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                return count < 0 && errno == EAGAIN ? .idle : .failed
            }
            received += buffer[..<count]
            guard count == wanted else { continue }
            guard received.count >= StreamRecord.headerLength else { continue }
            switch StreamRecord.datagramLength(behind: header) {
            case .none: return .failed
            case .some(let length) where received.count == StreamRecord.headerLength + length:
                if header == StreamRecord.end { return .finished }
                // The result is ignored: a datagram that the socket does not accept is dropped.
                _ = received[StreamRecord.headerLength...].withUnsafeBytes {
                    send(socket, $0.baseAddress, length, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                }
                received.removeAll(keepingCapacity: true)
            default: break
            }
        }
        return .busy
    }

    private var header: UInt32 {
        received.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
    }

    /// The number of bytes missing from the header or, once that is complete, from the record.
    private var missing: Int {
        guard received.count >= StreamRecord.headerLength else { return StreamRecord.headerLength - received.count }
        return StreamRecord.headerLength + (StreamRecord.datagramLength(behind: header) ?? 0) - received.count
    }

    // MARK: From the socket

    private func moveDatagrams(_ socket: Int32, _ channel: Int32) -> Relay.State {
        for _ in 0..<Self.visitRecords {
            guard flush(channel) else { return .failed }
            guard unsent.isEmpty else { return .idle }
            let start = StreamRecord.headerLength
            let count = buffer.withUnsafeMutableBytes {
                recv(socket, $0.baseAddress.map { $0 + start }, $0.count - start, Int32(MSG_DONTWAIT))
            }
            guard count >= 0 else {
                switch errno {
                case EINTR: continue
                // An ICMP error concerns an earlier datagram; later ones may arrive. Each is reported once.
                case ECONNREFUSED, EMSGSIZE, ENOPROTOOPT, EACCES, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENONET, EPROTO,
                    EOPNOTSUPP:
                    continue
                case EAGAIN: return .idle
                default: return .failed
                }
            }
            buffer.replaceSubrange(..<start, with: Self.header(of: count))
            unsent = Array(buffer[..<(start + count)])
        }
        return .busy
    }

    /// Sends the waiting records, as far as the channel has room. Returns false if the channel has failed.
    private func flush(_ channel: Int32) -> Bool {
        while !unsent.isEmpty {
            let sent = send(channel, unsent, unsent.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            guard sent > 0 else {
                if sent < 0, errno == EINTR { continue }
                return sent < 0 && errno == EAGAIN
            }
            unsent.removeFirst(sent)
        }
        return true
    }
}
