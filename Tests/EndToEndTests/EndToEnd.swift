import Testing

extension Tag {
    /// Needs root, a TAP device and the kernel's namespaces.
    @Tag static var kernel: Self
}

/// The `ringway` program, used as by its users: real clients and servers, in network namespaces that each test creates
/// and removes.
///
/// Serialized, because all tests share the machine's processors and clock.
@Suite(
    "End to end", .serialized, .tags(.kernel), .timeLimit(.minutes(3)),
    .enabled(if: Machine.missing == nil, "\(Machine.missing ?? "")"))
struct EndToEnd {
    /// The data path on one thread, and on two that hand frames over to each other.
    static let shards = [1, 2]
}
