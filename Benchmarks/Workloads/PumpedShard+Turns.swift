/// What a pump repeats.
extension PumpedShard {
    /// Frames that went through the stack: those from the guest, or, while transmitting, those to it.
    public var framesPumped: Int { isTransmitting ? framesToGuest : framesFromGuest }

    /// Called once, by the thread that will pump.
    public mutating func prepare(_ kind: PumpedKind, _ mix: PumpedMix) {
        isTransmitting = kind == .transmit
        if isTransmitting { warmUp(flows: mix.local, payload: kind.payload) }
    }

    public mutating func turn(_ kind: PumpedKind, _ mix: PumpedMix) {
        if kind == .transmit {
            transmitTurn(flows: mix.local, payload: kind.payload)
        } else {
            receiveTurn(local: mix.local, foreign: mix.foreign, payload: kind.payload)
        }
    }

    /// One turn in which every flow's next segment arrives, and those of the foreign flows as far as the other shard has
    /// returned the buffers of earlier ones.
    @inline(__always)
    mutating func receiveTurn(local: Int, foreign: Int, payload: Int) {
        if count > 1 { flushStrays() }
        beginTurn()
        for slot in 0..<local { receiveSegment(flows + slot, payload: payload) }
        for number in 0..<foreign where handed < Self.handedLimit {
            receiveSegment(foreignFlows + number, payload: payload)
        }
        if count > 1 { readMail() }
        finishTurn()
    }

    /// One turn in which `payload` bytes come from the host for each flow, and the guest acknowledges them.
    @inline(__always)
    mutating func transmitTurn(flows: Int, payload: Int) {
        beginTurn()
        for slot in 0..<flows {
            receiveFromHost(self.flows + slot, byteCount: payload)
            receiveSegment(self.flows + slot, payload: 0)
        }
        finishTurn()
    }

    /// Opens the congestion windows until the host is asked for whole super-frames.
    mutating func warmUp(flows: Int, payload: Int) {
        for _ in 0..<1_000 {
            for slot in 0..<flows where self.flows[slot].asked < payload {
                beginTurn()
                receiveFromHost(self.flows + slot, byteCount: self.flows[slot].asked)
                receiveSegment(self.flows + slot, payload: 0)
                finishTurn()
            }
        }
    }
}
