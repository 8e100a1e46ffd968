public import RingwayModel

/// The transports that have flows.
public enum Transport: UInt8, Sendable {
    case icmp = 1
    case tcp = 6
    case udp = 17
    case icmpv6 = 58
}

/// The key of a flow: its tuple as the guest sees it. For a ping, `guestPort` is the echo identifier.
///
/// IPv4 addresses are stored IPv4-mapped (`::ffff:a.b.c.d`), so that one table, one hash and one comparison serve
/// both families. Pings and ordinary UDP mappings are endpoint-independent: the remote half of their keys is zero. A
/// published UDP port has one mapping per remote peer; the remote half of that mapping's key is the peer.
@frozen
public struct FlowKey: Hashable, BitwiseCopyable, Sendable {
    public var guest: IPAddress
    public var remote: IPAddress
    public var guestPort: UInt16
    public var remotePort: UInt16
    public var transport: UInt32

    @inlinable
    public init(
        guest: IPAddress, guestPort: UInt16, remote: IPAddress, remotePort: UInt16, transport: Transport
    ) {
        self.guest = guest
        self.remote = remote
        self.guestPort = guestPort
        self.remotePort = remotePort
        self.transport = UInt32(transport.rawValue)
    }

    /// The key of an endpoint-independent mapping: the guest's address and port, for all remote hosts.
    @inlinable
    public init(guest: IPAddress, guestPort: UInt16, transport: Transport) {
        self.init(
            guest: guest, guestPort: guestPort, remote: IPAddress(IPv6Address(high: 0, low: 0)), remotePort: 0,
            transport: transport)
    }

    @inlinable @inline(__always) var tail: UInt64 {
        UInt64(guestPort) << 48 | UInt64(remotePort) << 32 | UInt64(transport)
    }

    @inlinable @inline(__always) public static func == (a: Self, b: Self) -> Bool {
        // One branch instead of five: OR the differences, compare once.
        (a.guest.high ^ b.guest.high) | (a.guest.low ^ b.guest.low)
            | (a.remote.high ^ b.remote.high) | (a.remote.low ^ b.remote.low)
            | (a.tail ^ b.tail) == 0
    }

    /// A keyed hash. `secret` is random per guest, so that the guest cannot choose keys that collide. No guest may see
    /// its results, from which the secret could be computed (`SipHash`).
    @inlinable @inline(__always) public func hash(secret: UInt64) -> UInt64 {
        @inline(__always) func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
            let (high, low) = a.multipliedFullWidth(by: b)
            return high ^ low
        }
        let a = mix(guest.high ^ 0x9E37_79B9_7F4A_7C15, guest.low ^ secret)
        let b = mix(remote.high ^ 0xD1B5_4A32_D192_ED03, remote.low ^ secret)
        return mix(a ^ tail, b ^ 0x8CB9_2BA7_2F3D_8DD7)
    }

    /// Hashes the whole key.
    func addWords(to hasher: inout SipHash) {
        hasher.add(guest.high)
        hasher.add(guest.low)
        hasher.add(remote.high)
        hasher.add(remote.low)
        hasher.add(tail)
    }

    /// The requirement of `Hashable`; the flow table uses `hash(secret:)` instead.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(guest.high)
        hasher.combine(guest.low)
        hasher.combine(remote.high)
        hasher.combine(remote.low)
        hasher.combine(tail)
    }
}
