/// A guest's end of a TCP connection, including the application that reads and writes. Written from the RFCs, and
/// independent of the stack under test. Positions are plain integers counted from the initial sequence number (SYN is
/// position 0, the first byte 1); payload is a pattern that is checked as it arrives.
final class GuestConnection {
    enum Phase { case synSent, synReceived, open, timeWait, over }

    /// How the connection ended, from the guest's point of view.
    enum End { case clean, refused, unreachable, reset, abandoned, gone, gaveUp }

    let script: FlowScript
    let behavior: GuestBehavior
    var random: SplitMix64
    var phase: Phase
    var end: End?
    /// The first error of the stack under test: a violation of TCP, or wrong data.
    var complaint: String?
    var outbox: [[UInt8]] = []

    // Sending, in positions
    let initialSequence: UInt32
    var sndUna = 0
    var sndNxt = 0
    var sndMax = 0
    var peerEdge = 0
    var peerSegmentSize = 536
    var peerScale = 0
    var peerPermitsSACK = false
    var written = 0
    var hasClosed = false
    var held = ByteRanges()
    var duplicates = 0
    var recoversUntil: Int?
    var resentUntil = 0
    var timeouts = 0
    /// Whether the guest's FIN preceded the peer's, once known.
    var endedFirst = false
    var endedFirstIsKnown = false

    // Receiving, in positions
    var peerInitialSequence: UInt32 = 0
    var rcvNxt = 0
    var rcvEdge = 0
    var arrived = ByteRanges()
    var latest = 0
    var peerFinished: Int?
    var bytesRead = 0
    var ownScale = 0
    var needsAcknowledgement = false
    var unacknowledgedSegments = 0

    var stamps: GuestTimestamps?

    // Timers
    var now: UInt64 = 0
    var retransmitAt: UInt64?
    var probeAt: UInt64?
    var probeInterval: UInt64 = 0
    var acknowledgeAt: UInt64?
    var readAt: UInt64?
    var writeAt: UInt64?
    var endAt: UInt64?
    var lastSegmentAt: UInt64 = 0
    var silentProbes = 0

    init(_ script: FlowScript, random: SplitMix64, now: UInt64) {
        self.script = script
        behavior = script.behavior
        self.random = random
        self.now = now
        lastSegmentAt = now
        // The initial sequence number is often close to 2³², so that sequence numbers wrap during the connection.
        let number = UInt32(truncatingIfNeeded: self.random.next())
        initialSequence = self.random.chance(0.3) ? UInt32.max - number % 100_000 : number
        if behavior.offersTimestamps { stamps = GuestTimestamps(from: &self.random) }
        phase = .synSent
    }

    // MARK: Derived state

    /// Bytes of the peer's stream received in order.
    var received: Int { max(0, rcvNxt - 1 - (peerHasFinished ? 1 : 0)) }
    var peerHasFinished: Bool { peerFinished.map { rcvNxt > $0 } ?? false }
    /// The position after the last byte written.
    var dataEnd: Int { written + 1 }
    var finIsSent: Bool { hasClosed && sndMax > dataEnd }
    var finIsAcknowledged: Bool { hasClosed && sndUna > dataEnd }
    var isOver: Bool { phase == .over }
    var isWaiting: Bool { phase == .timeWait }

    func wire(_ position: Int) -> UInt32 { initialSequence &+ UInt32(truncatingIfNeeded: position) }
    func peerWire(_ position: Int) -> UInt32 { peerInitialSequence &+ UInt32(truncatingIfNeeded: position) }
    func peerPosition(_ sequence: UInt32) -> Int {
        rcvNxt + Int(Int32(bitPattern: sequence &- peerWire(rcvNxt)))
    }
    func ownPosition(_ acknowledgement: UInt32) -> Int {
        sndUna + Int(Int32(bitPattern: acknowledgement &- wire(sndUna)))
    }

    /// When `tick` must be called next.
    var wakesAt: UInt64? {
        guard phase != .over else { return nil }
        let keepalive = phase == .open ? lastSegmentAt + 75_000_000_000 + UInt64(silentProbes) * 15_000_000_000 : nil
        return [retransmitAt, probeAt, acknowledgeAt, readAt, writeAt, endAt, keepalive].compactMap(\.self).min()
    }

    func complain(_ text: String) { complaint = complaint ?? text }

    func finish(_ how: End) {
        guard phase != .over else { return }
        phase = .over
        end = how
    }

    // MARK: Opening and aborting

    /// Sends SYN.
    func open() {
        sndNxt = 1
        sndMax = 1
        sendSYN()
        retransmitAt = now + 1_000_000_000
    }

    /// Processes the SYN of a peer that connects.
    func accept(_ segment: Segment) {
        phase = .synReceived
        takeOptions(segment)
        peerInitialSequence = segment.sequence
        rcvNxt = 1
        peerEdge = segment.window
        sndNxt = 1
        sndMax = 1
        sendSYN()
        retransmitAt = now + 1_000_000_000
    }

    func takeOptions(_ segment: Segment) {
        peerSegmentSize = segment.maximumSegmentSize ?? (script.isIPv6 ? 1_220 : 536)
        peerPermitsSACK = segment.permitsSACK && behavior.permitsSACK
        if let stamp = segment.stamp {
            stamps?.begin(stamp, inSYNAt: segment.sequence)
        } else {
            stamps = nil
        }
        if let scale = segment.windowScale, let own = behavior.windowScale {
            peerScale = scale
            ownScale = own
        }
    }

    func becomeOpen() {
        phase = .open
        retransmitAt = sndUna < sndNxt ? now + currentTimeout : nil
        timeouts = 0
        readAt = now
        writeAt = now
    }

    /// The application aborts the connection: sends RST to the peer, except in SYN-SENT.
    func reset() {
        guard phase != .over, phase != .timeWait else { return }
        if phase == .open || phase == .synReceived { send([.rst, .ack], at: sndNxt, 0) }
        finish(.abandoned)
    }

    func tick() {
        if let at = endAt, at <= now { return finish(.clean) }
        if let at = acknowledgeAt, at <= now { sendAcknowledgement() }
        if let at = readAt, at <= now { read() }
        if let at = writeAt, at <= now { write() }
        if let at = probeAt, at <= now { probe() }
        if let at = retransmitAt, at <= now { timeOut() }
        if phase == .open { keepAlive() }
    }

    private func keepAlive() {
        guard now >= lastSegmentAt + 75_000_000_000 + UInt64(silentProbes) * 15_000_000_000 else { return }
        guard silentProbes < 9 else { return finish(.gaveUp) }
        silentProbes += 1
        send(.ack, at: sndUna - 1, 0)
    }

    // MARK: The application

    private func read() {
        readAt = nil
        let available = received - bytesRead
        if available > 0 {
            bytesRead += min(available, max(1, random.integer(behavior.readSize / 2...behavior.readSize)))
            announceWindow()
        }
        if bytesRead < received {
            scheduleRead()
        } else if peerHasFinished, script.guestCloses == .afterPeerEnded {
            closeWhenWritten()
        }
    }

    func scheduleRead() {
        guard readAt == nil else { return }
        readAt = now + random.time(0...behavior.readInterval)
        if random.chance(behavior.pauseChance) { readAt = now + behavior.pause }
    }

    private func write() {
        writeAt = nil
        guard !hasClosed, phase == .open else { return }
        if written < script.guestBytes {
            written = min(script.guestBytes, written + random.integer(1...behavior.writeSize))
            writeAt = now + random.time(0...behavior.writeInterval)
        }
        closeWhenWritten()
        transmit()
    }

    /// Closes once the application has written everything and the condition in `script.guestCloses` is met. With the
    /// disturbance `.guestCloses`, the application closes without waiting for that condition.
    func closeWhenWritten() {
        guard !hasClosed, written == script.guestBytes, phase == .open else { return }
        let peerIsDone = peerHasFinished && bytesRead == received
        guard script.guestCloses == .afterSending || script.disturbance == .guestCloses || peerIsDone else { return }
        hasClosed = true
        transmit()
    }
}
