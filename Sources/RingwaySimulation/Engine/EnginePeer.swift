internal import Glibc

/// An application at the far end of a connection of the engine's: it reads and writes at its own pace and checks every
/// byte. On the host it is the client or server of a flow; inside the guest, the server that a relay leads to.
final class EnginePeer: StreamPeer {
    enum End { case clean, reset }

    let script: FlowScript
    let stream: ModelStream
    let isInsideGuest: Bool
    private unowned let network: EngineNetwork
    private(set) var received = 0
    private(set) var sent = 0
    /// The engine's end has ended its side, and this end its own.
    private(set) var sawEnd = false
    private(set) var hasEnded = false
    private(set) var end: End?
    private var isScheduled = false

    init(_ script: FlowScript, _ stream: ModelStream, _ network: EngineNetwork) {
        self.script = script
        self.stream = stream
        isInsideGuest = stream.isInsideGuest
        self.network = network
    }

    private var wanted: Int { isInsideGuest ? script.hostOctets : script.guestOctets }
    private var offered: Int { isInsideGuest ? script.guestOctets : script.hostOctets }
    private var expectedPattern: StreamPattern { isInsideGuest ? script.toGuest : script.toHost }
    private var ownPattern: StreamPattern { isInsideGuest ? script.toHost : script.toGuest }
    private var closing: FlowScript.Closing { isInsideGuest ? script.guestCloses : script.hostCloses }

    var isOver: Bool { end != nil }
    /// Whether all bytes of both directions have passed, and both ends.
    var isWhole: Bool { end == .clean && received == wanted && sent == offered }

    func streamChanged() {
        guard !isScheduled, !isOver else { return }
        isScheduled = true
        let isStalled = network.random.chance(script.stallChance)
        let delay = isStalled ? script.stall : network.random.time(0...script.hostDelay)
        network.host.schedule(after: delay) { [unowned self] in
            self.isScheduled = false
            self.work()
        }
    }

    /// The connection fails under the engine.
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
            // What is sent to a socket that is gone is answered by RST.
            end = .reset
        }
    }

    private func read() {
        let most = min(stream.outgoing.count, network.random.integer(1...script.hostSize))
        if most > 0 {
            let bytes = stream.takeOutgoing(most)
            let mismatch = bytes.withUnsafeBytes { buffer in
                buffer.baseAddress.flatMap { expectedPattern.firstMismatch($0, buffer.count, from: received) }
            }
            if let mismatch { network.fail("flow \(script.index): byte \(mismatch) of the stream is wrong") }
            received += bytes.count
            if received > wanted { network.fail("flow \(script.index): more bytes than were sent") }
        }
        if !stream.outgoing.isEmpty {
            streamChanged()
        } else if stream.isShut, !sawEnd {
            sawEnd = true
            if received < wanted, network.isOrderly(script) {
                network.fail("flow \(script.index): the stream ended after \(received) bytes of \(wanted)")
            }
        }
    }

    private func write() {
        guard !hasEnded else { return }
        let count = min(stream.incomingRoom, offered - sent, network.random.integer(1...script.hostSize))
        if count > 0 {
            stream.deliver(count) { ownPattern.fill($0, count, from: sent) }
            sent += count
        }
        if sent < offered {
            if stream.incomingRoom > 0 { streamChanged() }
        } else if closing == .afterSending || sawEnd {
            hasEnded = true
            stream.endIncoming()
        }
    }
}
