/// A reference to a flow: its kind, and its slot in that kind's slab. A flow has one key, its tuple, and exactly one
/// owner shard.
///
/// A TCP flow is a `TCPConnection`, a UDP flow a `UDPMapping`, a ping a `PingMapping`. The flow table maps keys to
/// these references. A UDP peer is not a flow, but an entry in `PeerTable`.
@frozen
public struct Flow: Equatable, Sendable, BitwiseCopyable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable { case tcp, udp, forwardedUDP, ping, peer }

    @usableFromInline let rawValue: UInt32

    @inlinable public init(_ kind: Kind, slot: UInt32) { rawValue = UInt32(kind.rawValue) << 28 | slot }
    @inlinable @inline(__always) public var kind: Kind {
        Kind(rawValue: UInt8(truncatingIfNeeded: rawValue >> 28)) ?? .tcp
    }
    @inlinable public var slot: UInt32 { rawValue & 0x0FFF_FFFF }
}
