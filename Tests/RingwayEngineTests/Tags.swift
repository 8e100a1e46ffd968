import Testing

extension Tag {
    /// Drives real sockets or a real ring; excluded from the sanitizer jobs.
    @Tag static var kernel: Self
}
