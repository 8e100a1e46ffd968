internal import RingwayControl

/// A running network, found by its control socket.
struct LiveNetwork {
    /// Seconds within which a network must respond. A stopped process (SIGSTOP), for example, does not respond.
    private static var timeout: Int { 2 }

    let name: String
    let client: ControlClient
    /// The network's process, if it is in this PID namespace.
    let process: Int32?

    /// All running networks of the calling user. Socket files left by ended processes are removed.
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

    /// The network's status; `nil` if the request fails, as by the timeout.
    var status: JSONValue? { try? ControlClient(path: client.path, timeout: Self.timeout).json("GET", "/v1/status") }
}
