internal import RingwayControl

/// A network that is running, found by its control socket.
struct LiveNetwork {
    /// Seconds that a network may take to identify itself: a stopped process does not respond.
    private static var timeout: Int { 2 }

    let name: String
    let client: ControlClient
    /// The process that keeps it, where that can be seen.
    let process: Int32?

    /// Every network of the caller's that is running. Sockets that ended processes have left are removed.
    static func sockets() -> [LiveNetwork] {
        ControlPath.sockets.compactMap { name, path in
            let client = ControlClient(path: path)
            let (isThere, process) = client.listener
            guard isThere else {
                client.removeAbandoned()
                return nil
            }
            return LiveNetwork(name: name, client: client, process: process)
        }
    }

    /// The network's identity; `nil` when it does not respond in time.
    var status: JSONValue? { try? ControlClient(path: client.path, timeout: Self.timeout).json("GET", "/v1/status") }
}
