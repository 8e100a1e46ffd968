/// One flow of a transport, keyed by its tuple, owned by exactly one shard: the kind of flow it is, and its slot in
/// that kind's slab.
///
/// A TCP flow is a `TCPConnection`, a UDP flow a `UDPMapping`, a ping a `PingMapping`. What they have in common is this
/// reference, by which the flow table finds them, and their key. A peer is no flow, but a member of a `PeerTable`.
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
