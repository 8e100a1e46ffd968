internal import CRingway
internal import Glibc

/// Standard input, output and errors.
enum StandardDescriptors {
    /// Opens `/dev/null` in place of those that the caller has closed: otherwise a queue of the guest's interface could
    /// get the number, and take an error message for a frame.
    static func fill() {
        // The lowest free number is taken, so each call fills the gap it found.
        for descriptor in STDIN_FILENO...STDERR_FILENO where !ringway_is_open(descriptor) {
            _ = open("/dev/null", O_RDWR)
        }
    }
}
