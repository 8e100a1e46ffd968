internal import RingwayStorage
internal import RingwayWire

/// Urgent data (RFC 6093). As in all kernels, the urgent byte is the one before the position to which the urgent
/// pointer points.
extension TCP {
    /// A segment announces the guest's urgent byte. A pointer to data that has already arrived is ignored.
    @inline(never)
    mutating func noteUrgent(_ flow: TCPFlow, _ header: TCPHeader) {
        let pointer = Int(header.urgentPointer)
        // The largest pointer means that the urgent byte may be further away; a later segment will have the exact
        // position.
        guard pointer > 0, pointer < 65_535 else { return }
        let end = header.sequence.advanced(by: pointer)
        guard flow.pointee.receive.nxt.precedes(end) else { return }
        flow.pointee.receive.urgentEnd = end
        flow.pointee.marks.insert(.urgentToHost)
    }

    /// The effect that sends unsent payload. If the urgent byte is queued, the send stops before that byte or
    /// consists of it.
    @inline(never)
    mutating func urgentSend(_ flow: TCPFlow, _ core: inout StackCore) -> Effect {
        var effect = streamEffect(.sendStream, flow)
        let finished = flow.pointee.receive.isFinished ? 1 : 0
        let first = flow.pointee.receive.nxt.advanced(by: -finished - flow.pointee.receive.unsent.bytes)
        let distance = Int(flow.pointee.receive.urgentEnd.distance(from: first))
        if distance <= 0 {
            flow.pointee.marks.remove(.urgentToHost)
        } else if distance == 1 {
            effect.limit = 1
            effect.options = .urgent
            core.counters.add(.tcpUrgentToHost)
        } else if distance <= flow.pointee.receive.unsent.bytes {
            effect.limit = UInt32(distance - 1)
        }
        return effect
    }

    /// Sets URG in a frame of one byte, whose headers have just been written before `payload`.
    @inline(never)
    mutating func markUrgent(_ payload: UnsafeMutableRawPointer, optionLength: Int, _ core: inout StackCore) {
        let tcp = payload - 20 - optionLength
        let flags = tcp.load(fromByteOffset: 13, as: UInt8.self) | TCPFlags.urg.rawValue
        tcp.storeBytes(of: flags, toByteOffset: 13, as: UInt8.self)
        tcp.storeBytes(of: UInt16(1).bigEndian, toByteOffset: 18, as: UInt16.self)
        core.counters.add(.tcpUrgentToGuest)
    }
}
