import Testing

extension Tag {
    /// Needs root, a TAP device and the kernel's namespaces.
    @Tag static var kernel: Self
}

/// The built `ringway` program, driven as its users drive it: real clients and servers, in network namespaces that each
/// test makes and removes itself.
///
/// One at a time, because a machine's cores and its clock are shared by all of them.
@Suite(
    "End to end", .serialized, .tags(.kernel), .timeLimit(.minutes(3)),
    .enabled(if: Machine.missing == nil, "\(Machine.missing ?? "")"))
struct EndToEnd {
    /// Both ways of running the data path: alone on a thread, and spread over two that hand frames to each other.
    static let shards = [1, 2]
}
