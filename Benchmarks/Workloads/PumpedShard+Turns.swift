/// What a pump repeats.
extension PumpedShard {
    /// One turn in which every flow's next segment arrives, and as many of `foreign` flows as the other shard has taken
    /// the last ones of.
    public mutating func receiveTurn(local: Int, foreign: Int, payload: Int) {
        flushStrays()
        beginTurn()
        for slot in 0..<local { receiveSegment(flows + slot, payload: payload) }
        for number in 0..<foreign where handed < Self.handedLimit {
            receiveSegment(foreignFlows + number, payload: payload)
        }
        if count > 1 { readMail() }
        finishTurn()
    }

    /// One turn in which `payload` octets come from the host for each flow, and the guest acknowledges them.
    public mutating func transmitTurn(flows: Int, payload: Int) {
        beginTurn()
        for slot in 0..<flows {
            receiveFromHost(self.flows + slot, octets: payload)
            receiveSegment(self.flows + slot, payload: 0)
        }
        finishTurn()
    }

    /// Opens the congestion windows until the host is asked for whole super-frames.
    mutating func warmUp(flows: Int, payload: Int) {
        for _ in 0..<1_000 {
            for slot in 0..<flows where self.flows[slot].asked < payload {
                beginTurn()
                receiveFromHost(self.flows + slot, octets: self.flows[slot].asked)
                receiveSegment(self.flows + slot, payload: 0)
                finishTurn()
            }
        }
    }
}
