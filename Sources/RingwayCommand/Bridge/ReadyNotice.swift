internal import CRingway
internal import Glibc
internal import Ringway

/// The descriptor on which the bridge reports that the network is up.
struct ReadyNotice {
    let descriptor: Int32

    /// Keeps COMMAND from inheriting it, so that the end of the bridge is the end of the file.
    func claim() { _ = ringway_close_on_exec(descriptor) }

    /// Writes the line, a line for each port that was chosen, and closes. A reader that has gone is no failure.
    func send(_ ports: [PublishedPort]) {
        let chosen = ports.filter(\.isChosen).map { "port \($0.forward)\n" }
        let text = Array(("ready\n" + chosen.joined()).utf8)
        var written = 0
        while written < text.count {
            let count = text[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || (count < 0 && errno == EINTR) else { break }
            written += max(0, count)
        }
        close(descriptor)
    }
}
