public import RingwaySystem

/// The DNS service, as used by a shard. Its methods are called from a shard's thread and must not block.
public protocol NameService: Sendable {
    /// Serves one end of a SOCK_SEQPACKET pair. Each record is a tag of two 64-bit integers in host byte order, then a
    /// DNS message. A response repeats the tag of its query. The lowest bit of the tag's second integer says that the
    /// guest has IPv6.
    func serve(datagrams descriptor: consuming OwnedDescriptor)
    /// Serves a connected stream of DNS over TCP.
    func serve(stream descriptor: consuming OwnedDescriptor, hasIPv6: Bool)
}
