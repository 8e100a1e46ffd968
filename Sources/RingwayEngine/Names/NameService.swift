public import RingwaySystem

/// The control plane's DNS, as a shard sees it: descriptors to talk to. Called from a shard's thread; must not block.
public protocol NameService: Sendable {
    /// Serves one end of a SOCK_SEQPACKET pair. Each record is sixteen bytes of tag, then a DNS message; an answer
    /// bears its query's tag, the lowest bit of whose second word says that the guest has IPv6.
    func serve(datagrams descriptor: consuming OwnedDescriptor)
    /// Serves a connected stream of DNS over TCP.
    func serve(stream descriptor: consuming OwnedDescriptor, hasIPv6: Bool)
}
