internal import Glibc

/// An application at the far end of one of the engine's connections: it reads and writes at its own pace and checks
/// every byte. On the host it is the client or server of a flow. Inside the guest it is the server of a spliced
/// connection, or the agent's end of a channel.
final class EnginePeer: StreamPeer {
    enum End { case clean, reset }

    let script: FlowScript
    let stream: ModelStream
    let isInsideGuest: Bool
    /// Whether the stream is a channel to the guest's agent, on which the bytes are sent in records (`RecordReader`).
    private let hasRecords: Bool
    private var record = RecordReader()
    private unowned let network: EngineNetwork
    private(set) var received = 0
    private(set) var sent = 0
    /// Whether the engine has ended its direction of the stream, and whether this peer has ended the other.
    private(set) var sawEnd = false
    private(set) var hasEnded = false
    private(set) var end: End?
    private var isScheduled = false

    init(_ script: FlowScript, _ stream: ModelStream, _ network: EngineNetwork, hasRecords: Bool = false) {
        self.hasRecords = hasRecords
        self.script = script
        self.stream = stream
        isInsideGuest = stream.isInsideGuest
        self.network = network
    }

    private var wanted: Int { isInsideGuest ? script.hostBytes : script.guestBytes }
    private var offered: Int { isInsideGuest ? script.guestBytes : script.hostBytes }
    private var expectedPattern: StreamPattern { isInsideGuest ? script.toGuest : script.toHost }
    private var ownPattern: StreamPattern { isInsideGuest ? script.toHost : script.toGuest }
    private var closing: FlowScript.Closing { isInsideGuest ? script.guestCloses : script.hostCloses }

    var isOver: Bool { end != nil }
    /// Whether everything was transferred in both directions, including end of file.
    var isWhole: Bool { end == .clean && received == wanted && sent == offered }

    func streamChanged() {
        guard !isScheduled, !isOver else { return }
        isScheduled = true
        let isStalled = network.random.chance(script.stallChance)
        let delay = isStalled ? script.stall : network.random.time(0...script.hostDelay)
        network.schedule(after: delay) { [unowned self] in
            self.isScheduled = false
            self.work()
        }
    }

    /// Makes the connection fail with ECONNRESET.
    func fail() {
        guard !isOver else { return }
        end = .reset
        stream.fail(ECONNRESET)
    }

    private func work() {
        guard !isOver else { return }
        network.host.note(5, UInt64(script.index), UInt64(received), UInt64(sent))
        if stream.isReset {
            end = .reset
            return
        }
        read()
        write()
        if sawEnd, hasEnded {
            end = .clean
        } else if stream.isReleased, sawEnd {
            // Data sent to a closed socket is answered by RST.
            end = .reset
        }
    }

    private func read() {
        let most = min(stream.outgoing.count, network.random.integer(1...script.hostSize))
        if most > 0 {
            var bytes = stream.takeOutgoing(most)
            if hasRecords { bytes = record.unwrap(bytes) }
            let mismatch = bytes.withUnsafeBytes { buffer in
                buffer.baseAddress.flatMap { expectedPattern.firstMismatch($0, buffer.count, from: received) }
            }
            if let mismatch { network.fail("flow \(script.index): byte \(mismatch) of the stream is wrong") }
            received += bytes.count
            if received > wanted { network.fail("flow \(script.index): more bytes than were sent") }
        }
        if hasRecords, record.hasEnded { sawEnd = true }
        if !stream.outgoing.isEmpty {
            streamChanged()
        } else if hasRecords {
            // A channel that closes without the end record was reset.
            if stream.isShut, !sawEnd || !hasEnded { end = .reset }
        } else if stream.isShut, !sawEnd {
            sawEnd = true
            if received < wanted, network.isOrderly(script) {
                network.fail("flow \(script.index): the stream ended after \(received) bytes of \(wanted)")
            }
        }
    }

    private func write() {
        guard !hasEnded, !isOver else { return }
        let room = max(0, stream.incomingRoom - (hasRecords ? RecordReader.headerLength : 0))
        let count = min(room, offered - sent, network.random.integer(1...script.hostSize))
        if count > 0 {
            if hasRecords { stream.deliver(RecordReader.header(count)) }
            stream.deliver(count) { ownPattern.fill($0, count, from: sent) }
            sent += count
        }
        if sent < offered {
            if room > 0 { streamChanged() }
        } else if closing == .afterSending || sawEnd {
            hasEnded = true
            if hasRecords { stream.deliver(RecordReader.header(0)) } else { stream.endIncoming() }
        }
    }
}

/// Decodes the records of a channel to an agent. A record is a length in four bytes, little endian, and that many
/// bytes of the stream. A length of zero ends the stream.
struct RecordReader {
    static var headerLength: Int { 4 }

    private var header: [UInt8] = []
    private var owed = 0
    private(set) var hasEnded = false

    static func header(_ count: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } }

    /// Removes the headers of records from the channel's next bytes; returns the bytes of the stream.
    mutating func unwrap(_ bytes: [UInt8]) -> [UInt8] {
        var payload: [UInt8] = []
        var position = 0
        while position < bytes.count {
            if owed > 0 {
                let count = min(owed, bytes.count - position)
                payload += bytes[position..<position + count]
                owed -= count
                position += count
                continue
            }
            header.append(bytes[position])
            position += 1
            guard header.count == Self.headerLength else { continue }
            owed = header.enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
            header = []
            if owed == 0 { hasEnded = true }
        }
        return payload
    }
}
