internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwaySplice

/// Joins clients of a port inside the guest to a server inside the guest.
final class LocalProxyLoop {
    private static var listenerTag: UInt64 { .max }

    private let listener: Int32
    private let target: DialTarget
    private var queue: EventQueue
    private var pipes = PipePool(limit: 256)
    private var streams: [AgentStream?] = []
    private var freeSlots: [Int] = []
    private var turn: [AgentStream] = []

    init?(listener: Int32, target: DialTarget) {
        self.listener = listener
        self.target = target
        do throws(AgentFailure) { queue = try EventQueue() } catch { return nil }
        guard queue.addReadable(listener, tag: Self.listenerTag) else { return nil }
    }

    func run() -> Never {
        StreamLoop.ignoreBrokenPipes()
        while true {
            var events: [EventQueue.Event] = []
            queue.wait(milliseconds: turn.isEmpty ? -1 : 0) { events.append($0) }
            for event in events { handle(event) }
            runTurn()
        }
    }

    private func handle(_ event: EventQueue.Event) {
        if event.tag == Self.listenerTag { return accept() }
        let slot = Int(event.tag >> 1)
        guard slot < streams.count, let stream = streams[slot] else { return }
        stream.note(event, isLink: event.tag & 1 == 0)
        if case .connecting = stream.phase {
            switch Dialer.connectError(stream.carrier.local.descriptor) {
            case 0: stream.phase = .moving
            case EINPROGRESS: return
            default: return end(stream, reset: true)
            }
        }
        schedule(stream)
    }

    private func accept() {
        let client = ringway_accept_stream(listener, true)
        guard client >= 0 else { return }
        _ = ringway_set_option(client, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        let slot = freeSlots.popLast() ?? streams.count
        let stream = AgentStream(slot: slot, plain: client)
        if slot == streams.count { streams.append(stream) } else { streams[slot] = stream }
        switch Dialer.dial(target) {
        case .connected(let server):
            stream.carrier.local.descriptor = server
            stream.phase = .moving
        case .connecting(let server):
            stream.carrier.local.descriptor = server
            stream.phase = .connecting
        case .busy, .refused: return end(stream, reset: true)
        }
        guard queue.add(client, tag: UInt64(slot) << 1),
            queue.add(stream.carrier.local.descriptor, tag: UInt64(slot) << 1 | 1)
        else { return end(stream, reset: true) }
    }

    private func schedule(_ stream: AgentStream) {
        guard !stream.isInTurn else { return }
        stream.isInTurn = true
        turn.append(stream)
    }

    private func runTurn() {
        let visited = turn
        turn.removeAll(keepingCapacity: true)
        for stream in visited {
            stream.isInTurn = false
            guard streams[stream.slot] === stream else { continue }
            switch stream.carrier.visit(&pipes) {
            case .settled: break
            case .busy: schedule(stream)
            case .over: end(stream, reset: false)
            case .reset: end(stream, reset: true)
            }
        }
    }

    private func end(_ stream: AgentStream, reset: Bool) {
        stream.carrier.close(reset: reset, &pipes)
        streams[stream.slot] = nil
        freeSlots.append(stream.slot)
    }
}
