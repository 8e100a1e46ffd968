import RingwayStorage
import RingwayWire

/// Segments with timestamps (RFC 7323), as every Linux guest sends them.
extension PumpedShard {
    /// The option as kernels write it, of the clock's first millisecond.
    static var timestamps: [UInt8] { [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0] }
    /// Bytes of the headers of such a segment.
    private static var headersLength: Int { GuestFrame.transport + 32 }

    /// The next segment of a flow; see `receiveSegment`.
    @inline(__always)
    mutating func receiveStampedSegment(_ flow: UnsafeMutablePointer<PumpedFlow>, payload: Int) {
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone, "buffers leak")
        let frame = space.address(of: lease)
        let source = payload > 1_460 ? stampedSuperFrame : stampedFrame
        frame.copyMemory(from: source, byteCount: GuestFrame.transport + 32)
        let transport = frame + GuestFrame.transport
        let length = UInt16(truncatingIfNeeded: 52 + payload)
        let old = UInt16(bigEndian: source.loadUnaligned(fromByteOffset: GuestFrame.network + 2, as: UInt16.self))
        if length != old { Self.setLength(frame + GuestFrame.network, old, length) }
        transport.storeBytes(of: flow.pointee.port.bigEndian, as: UInt16.self)
        transport.storeBytes(of: flow.pointee.guestNext.bigEndian, toByteOffset: 4, as: UInt32.self)
        transport.storeBytes(of: flow.pointee.stackNext.bigEndian, toByteOffset: 8, as: UInt32.self)
        transport.storeBytes(
            of: UInt32(truncatingIfNeeded: now / 1_000_000).bigEndian, toByteOffset: 24, as: UInt32.self)
        flow.pointee.guestNext &+= UInt32(truncatingIfNeeded: payload)
        take(lease, length: Self.headersLength + payload)
    }

    /// One turn in which `payload` bytes come from the host for the first flow, and the guest acknowledges them.
    @inline(__always)
    mutating func transmitStampedTurn(payload: Int) {
        beginTurn()
        receiveFromHost(flows, byteCount: payload)
        receiveStampedSegment(flows, payload: 0)
        finishTurn()
    }

    /// Opens the congestion window until the host is asked for whole super-frames.
    mutating func warmUpStamped(payload: Int) {
        for _ in 0..<1_000 where flows[0].asked < payload { transmitStampedTurn(payload: flows[0].asked) }
    }
}
