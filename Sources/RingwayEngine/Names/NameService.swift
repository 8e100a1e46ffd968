public import RingwaySystem

/// The control plane's DNS, as used by a shard. Called from a shard's thread; must not block.
public protocol NameService: Sendable {
    /// Serves one end of a SOCK_SEQPACKET pair. Each record is a tag of sixteen bytes, then a DNS message; a response
    /// repeats its query's tag. The lowest bit of the tag's second word says that the guest has IPv6.
    func serve(datagrams descriptor: consuming OwnedDescriptor)
    /// Serves a connected stream of DNS over TCP.
    func serve(stream descriptor: consuming OwnedDescriptor, hasIPv6: Bool)
}
