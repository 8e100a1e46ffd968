internal import CRingway
internal import Glibc

/// The descriptor by which whoever started the bridge learns that the network is up.
struct ReadyNotice {
    let descriptor: Int32

    /// Keeps COMMAND from inheriting it, so that the end of the bridge is the end of the file.
    func claim() { _ = ringway_close_on_exec(descriptor) }

    /// Writes the line and closes. A reader that has gone is no failure.
    func send() {
        _ = write(descriptor, "ready\n", 6)
        close(descriptor)
    }
}
