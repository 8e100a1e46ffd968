internal import CRingway
internal import Glibc

/// Standard input, output and error.
enum StandardDescriptors {
    /// Opens `/dev/null` for those that the caller has closed: otherwise a queue of the guest's interface could get the
    /// number, and an error message would be written to it as a frame.
    static func fill() {
        // Each call returns the lowest free number, and so fills the gap.
        for descriptor in STDIN_FILENO...STDERR_FILENO where !ringway_is_open(descriptor) {
            _ = open("/dev/null", O_RDWR)
        }
    }
}
