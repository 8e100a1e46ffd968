internal import CRingway
internal import Glibc

/// Standard input, output and error.
enum StandardDescriptors {
    /// Opens `/dev/null` in place of each of the three that the caller has closed. Otherwise a queue of the guest's
    /// interface could become descriptor 2, and error messages would be written to it as frames.
    static func fill() {
        // Each call returns the lowest free number, and so fills the gap.
        for descriptor in STDIN_FILENO...STDERR_FILENO where !ringway_is_open(descriptor) {
            _ = open("/dev/null", O_RDWR)
        }
    }
}
