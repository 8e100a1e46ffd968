/// A reference to a flow in the flow table: the flow's kind, and its slot in the slab of that kind. A flow has one
/// key, its tuple, and exactly one shard owns it.
///
/// A TCP flow is a `TCPConnection`, a UDP flow a `UDPMapping`, a ping a `PingMapping`. `forwardedUDP` is the mapping
/// of one peer of a published UDP port. `peer` is not a flow: it refers to an entry of `PeerTable`, whose key is in
/// the flow table, too.
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
