/// Sixteen bytes that a shard puts before a query and gets back before its answer. In the last eight, a word in host
/// byte order, the lowest bit says that the guest has IPv6; the rest is opaque here.
struct ClientTag: BitwiseCopyable, Equatable {
    static let length = 16

    private var first: UInt64 = 0
    private var second: UInt64 = 0

    var hasIPv6: Bool { second & 1 != 0 }

    /// An empty tag, for clients that need none.
    init() {}

    /// - Precondition: `bytes` holds sixteen bytes.
    init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= Self.length)
        first = bytes.loadUnaligned(as: UInt64.self)
        second = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }
}
