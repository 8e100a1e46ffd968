internal import CRingway
internal import Glibc

/// The pipe, descriptor 3, from which the Docker engine reads its proxy's result.
struct ProxyResult {
    private let descriptor: Int32

    /// Uses descriptor 3 if it is open. It is not open when a user starts the proxy in a shell.
    init() { descriptor = ringway_is_open(3) ? 3 : -1 }

    /// Reports success or a reason to the engine, once.
    func report(_ reason: String?) {
        guard descriptor >= 0 else { return }
        let bytes = Array((reason.map { "1\n\($0)" } ?? "0\n").utf8)
        _ = write(descriptor, bytes, bytes.count)
        close(descriptor)
    }
}
