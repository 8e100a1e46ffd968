internal import RingwayStorage
internal import RingwayWire

/// The urgent byte, at its place in the stream (RFC 6093): the one before where the urgent pointer points, as all kernels
/// have it.
extension TCP {
    /// A segment of the guest's says where its urgent byte is. A pointer to data that has come already is no news.
    @inline(never)
    mutating func noteUrgent(_ flow: TCPFlow, _ header: TCPHeader) {
        let pointer = Int(header.urgentPointer)
        // The largest pointer stands for "further than that"; a later segment will say how far.
        guard pointer > 0, pointer < 65_535 else { return }
        let end = header.sequence.advanced(by: pointer)
        guard flow.pointee.receive.nxt.precedes(end) else { return }
        flow.pointee.receive.urgentEnd = end
        flow.pointee.marks.insert(.urgentToHost)
    }

    /// A send that stops before the urgent byte, or is of this byte alone.
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

    /// Marks a frame of one byte, whose headers have just been written before `payload`, as urgent.
    @inline(never)
    mutating func markUrgent(_ payload: UnsafeMutableRawPointer, optionLength: Int, _ core: inout StackCore) {
        let tcp = payload - 20 - optionLength
        let flags = tcp.load(fromByteOffset: 13, as: UInt8.self) | TCPFlags.urg.rawValue
        tcp.storeBytes(of: flags, toByteOffset: 13, as: UInt8.self)
        tcp.storeBytes(of: UInt16(1).bigEndian, toByteOffset: 18, as: UInt16.self)
        core.counters.add(.tcpUrgentToGuest)
    }
}
