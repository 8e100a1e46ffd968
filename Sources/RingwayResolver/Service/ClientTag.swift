/// Sixteen bytes that a shard puts before a query, and that the service returns unchanged before the answer. The last
/// eight are an integer in host byte order, whose lowest bit says that the guest has IPv6. The service ignores all
/// other bits.
struct ClientTag: BitwiseCopyable, Equatable {
    static let length = 16

    private var first: UInt64 = 0
    private var second: UInt64 = 0

    var hasIPv6: Bool { second & 1 != 0 }

    /// A tag of zeros, for queries that came over TCP: no tag is sent before their answers.
    init() {}

    /// - Precondition: `bytes` holds sixteen bytes.
    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= Self.length)
        first = bytes.loadUnaligned(as: UInt64.self)
        second = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
}
