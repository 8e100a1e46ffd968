internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Executes the requests of the stack (its effects) in place of the engine.
extension ScriptedNetwork {
    mutating func perform() {
        while let effect = stack.effects.popFirst() {
            let handle = effect.handle
            switch effect.kind {
            case .writeFrame: write(effect)
            case .connectStream, .connectService:
                sockets.append(Socket(handle: handle, isConnecting: true))
                stack.streamOpened(handle, socket: UInt32(sockets.count - 1))
            case .sendStream, .receiveStream, .classifyStream, .inspectStream, .watchStream, .shutdownStream,
                .closeStream, .resetStream:
                performOnSocket(effect, handle)
            case .sendDatagram, .sendForwardedDatagram:
                note(handle, in: \.mappings)
                check(effect)
            case .sendEcho:
                note(handle, in: \.pings)
                check(effect)
            case .query:
                note(handle, in: \.queries)
                check(effect)
            case .closeDatagram, .closeEcho, .refuseDatagram, .replaceAddress, .guestShown, .guestSilent: break
            case .reenterFrame:
                var summary = FrameSummary()
                let start = UnsafeRawPointer(space.address(of: effect.lease))
                let frame = UnsafeRawBufferPointer(start: start, count: Int(effect.length))
                if FrameSummary.parse(frame, into: &summary) == .none, summary.kind != .fragment {
                    summary.dontFragment = false
                    stack.receiveFrame(summary, effect.lease, length: Int(effect.length))
                } else {
                    pool.pointee.release(effect.lease)
                }
            }
        }
    }

    private mutating func note(_ handle: Handle, in list: WritableKeyPath<Names, [Handle]>) {
        if !names[keyPath: list].contains(handle) { names[keyPath: list].append(handle) }
    }

    /// Checks that an effect's bytes lie inside its buffer, and releases the buffer.
    private mutating func check(_ effect: Effect) {
        demand(Int(effect.offset) + Int(effect.length) <= space.size(of: effect.lease))
        pool.pointee.release(effect.lease)
    }

    private mutating func performOnSocket(_ effect: Effect, _ handle: Handle) {
        let index = Int(effect.socket)
        guard sockets.indices.contains(index), sockets[index].handle == handle, !sockets[index].isOver else { return }
        switch effect.kind {
        case .sendStream:
            demand(!sockets[index].isSending, "two sends at once")
            var lease = stack.unsentPayload(handle)
            demand(!lease.isNone, "a send of nothing")
            while !lease.isNone, sockets[index].held.count < 8 {
                pool.pointee.hold(lease)
                sockets[index].held.append(lease)
                sockets[index].heldBytes += Int(space.state(of: lease).pointee.length)
                lease = space.state(of: lease).pointee.next
            }
            sockets[index].isSending = true
        case .receiveStream:
            demand(sockets[index].receiveLimit == 0, "two receives at once")
            demand(effect.limit > 0 && effect.limit <= 65_535)
            sockets[index].receiveLimit = Int(effect.limit)
        case .classifyStream, .watchStream, .shutdownStream: break
        case .inspectStream: stack.streamReported(handle, .responding)
        default:
            sockets[index].isOver = true
            release(index)
        }
    }

    /// Releases the buffers of a socket's send, which has completed or is given up.
    mutating func release(_ index: Int) {
        for lease in sockets[index].held { pool.pointee.release(lease) }
        sockets[index].held = []
        sockets[index].heldBytes = 0
        sockets[index].isSending = false
    }

    private mutating func write(_ effect: Effect) {
        let head = space.address(of: effect.lease) + Int(effect.offset)
        demand(Int(effect.offset) + Int(effect.length) <= space.size(of: effect.lease))
        var frame = [UInt8](UnsafeRawBufferPointer(start: head, count: Int(effect.length)))
        pool.pointee.release(effect.lease)
        if !effect.payload.isNone {
            demand(
                Int(effect.payloadOffset) + Int(effect.payloadLength) <= space.size(of: effect.payload))
            let payload = space.address(of: effect.payload) + Int(effect.payloadOffset)
            frame += UnsafeRawBufferPointer(start: payload, count: Int(effect.payloadLength))
            pool.pointee.release(effect.payload)
        }
        framesToGuest += 1
        demand(framesToGuest < 1_000_000, "a storm of frames")
        if let fault = inspector.fault(in: frame, segmentLimit: nil) { fatalError("a bad frame: \(fault)") }
        let isTCP = FrameLayout.isIPv4(frame) ? frame[FrameLayout.ip + 9] == 6 : frame[FrameLayout.ip + 6] == 6
        guard isTCP, frame[FrameLayout.virtio + 12] != 0x08 || frame[FrameLayout.virtio + 13] != 0x06,
            let segment = Segment(readingFrom: frame)
        else { return }
        let ports = UInt32(segment.destinationPort) << 16 | UInt32(segment.sourcePort)
        positions[ports] = Position(
            next: segment.sequence &+ UInt32(segment.extent), acknowledged: segment.acknowledgement)
    }
}
