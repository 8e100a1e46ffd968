import CRingway
import Glibc
import RingwayWire
import Testing

/// A guest that downloads by several connections at once, and stops reading when it likes.
final class SlowGuest {
    private struct Download {
        var port: UInt16
        /// The next sequence number that the guest expects.
        var next: UInt32
        var received = 0
        var client: Int32
        var written = 0
    }

    /// What the host sends: byte n of a stream is `n % 251`.
    private static let pattern = (0..<70_000 + 251).map { UInt8($0 % 251) }

    let guest: GuestPort
    private let target: TransportAddress
    private let bytesEach: Int
    private var downloads: [Download] = []
    /// Bytes that came in order, of all connections; and whether each was what the host had sent.
    private(set) var received = 0
    private(set) var isEqual = true

    init(_ guest: GuestPort, connections: Int, bytesEach: Int) throws {
        self.guest = guest
        self.bytesEach = bytesEach
        let server = HostEnd(SOCK_STREAM)
        target = TransportAddress(address: IPAddress(GuestPort.host), port: server.port)
        var options = TCPOptions()
        options.maximumSegmentSize = 1_460
        options.windowScale = 7
        for number in 0..<connections {
            let port = UInt16(50_000 + number)
            guest.send(Frames.segment(from: port, to: target, sequence: 100, [.syn], options: options))
            let answer = try #require(guest.receiveSegment(to: port))
            let next = answer.sequence &+ 1
            guest.send(Frames.segment(from: port, to: target, sequence: 101, acknowledgement: next, [.ack]))
            let client = server.accept()
            _ = fcntl(client, F_SETFL, O_NONBLOCK)
            downloads.append(Download(port: port, next: next, client: client))
        }
    }

    deinit { for download in downloads { close(download.client) } }

    /// The host writes as much as its sockets take.
    func serve() {
        for index in downloads.indices {
            while downloads[index].written < bytesEach {
                let start = downloads[index].written % 251
                let count = min(65_536, bytesEach - downloads[index].written)
                let result = Self.pattern.withUnsafeBytes { bytes -> Int in
                    guard let base = bytes.baseAddress else { return -1 }
                    return Glibc.send(downloads[index].client, base + start, count, Int32(MSG_NOSIGNAL))
                }
                guard result > 0 else { break }
                downloads[index].written += result
            }
        }
    }

    /// Bytes of the connection that has come least far.
    var least: Int { downloads.map(\.received).min() ?? 0 }

    /// The guest reads what is there, or so many frames of it, and acknowledges it.
    func read(atMost limit: Int = .max) {
        var touched: Set<Int> = []
        var count = 0
        while count < limit, let frame = guest.nextFrame(0) {
            count += 1
            if let index = take(frame) { touched.insert(index) }
        }
        for index in touched {
            guest.send(
                Frames.segment(
                    from: downloads[index].port, to: target, sequence: 101, acknowledgement: downloads[index].next,
                    [.ack]))
        }
    }

    /// Which connection a frame belongs to.
    private func take(_ frame: [UInt8]) -> Int? {
        guard frame.count > Frames.transport + 20, frame[Frames.network + 9] == IPProtocol.tcp else { return nil }
        let port = UInt16(frame[Frames.transport + 2]) << 8 | UInt16(frame[Frames.transport + 3])
        guard let index = downloads.firstIndex(where: { $0.port == port }) else { return nil }
        let sequence = frame[Frames.transport + 4..<Frames.transport + 8].reduce(0) { $0 << 8 | UInt32($1) }
        let start = Frames.transport + Int(frame[Frames.transport + 12] >> 4) * 4
        let skip = Int(Int32(bitPattern: downloads[index].next &- sequence))
        guard skip >= 0, start + skip < frame.count else { return index }
        let count = frame.count - start - skip
        let place = downloads[index].received % 251
        let same = frame.withUnsafeBytes { frame in
            Self.pattern.withUnsafeBytes { pattern -> Bool in
                guard let frame = frame.baseAddress, let pattern = pattern.baseAddress else { return false }
                return memcmp(frame + start + skip, pattern + place, count) == 0
            }
        }
        if !same { isEqual = false }
        downloads[index].next &+= UInt32(count)
        downloads[index].received += count
        received += count
        return index
    }
}
