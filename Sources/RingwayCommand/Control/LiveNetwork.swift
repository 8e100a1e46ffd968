internal import RingwayControl

/// A network that is running, found by its control socket.
struct LiveNetwork {
    /// Seconds that a network may take to say what it is: one that is stopped does not answer.
    private static var timeout: Int { 2 }

    let name: String
    let client: ControlClient
    /// The process that keeps it, where that can be seen.
    let process: Int32?

    /// Every network of the caller's that is running. What ended processes have left is removed.
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

    /// What it says of itself; `nil` when it does not answer in time.
    var status: JSONValue? { try? ControlClient(path: client.path, timeout: Self.timeout).json("GET", "/v1/status") }
}
