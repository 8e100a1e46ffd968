internal import CRingway
internal import Glibc
internal import Ringway

/// Reports on the descriptor of `--ready-fd` that the network is up.
struct ReadyNotice {
    let descriptor: Int32

    /// Keeps COMMAND from inheriting the descriptor, so that the reader sees end of file when this process closes it.
    func claim() { _ = ringway_close_on_exec(descriptor) }

    /// Writes the line "ready" and a line for each automatically chosen port, and closes the descriptor. A failed write
    /// is ignored: the reader may have closed its end.
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
