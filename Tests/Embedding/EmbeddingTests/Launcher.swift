import Glibc
import Ringway

// A launcher's use of a network. The article "Embed Ringway in a launcher" shows it piece by piece.

/// Why the launcher failed.
struct LauncherFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// A network that reserves an address and a name for one machine.
func makeNetwork(for mac: MACAddress) throws -> VirtualNetwork {
    var configuration = VirtualNetwork.Configuration()
    configuration.leases = [StaticLease(mac: mac, ipv4: IPv4Address(192, 168, 127, 20), name: "web")]
    return try VirtualNetwork(configuration)
}

/// Attaches a machine by a socket pair, and returns the machine's end: a descriptor for its `-netdev
/// stream,id=net,addr.type=fd,addr.str=N`.
func attachBySocket(to network: VirtualNetwork) throws -> Int32 {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
        throw LauncherFailure("socketpair: \(String(cString: strerror(errno)))")
    }
    try network.listen(on: .socket(ends[0]))
    return ends[1]
}

/// Attaches a machine or a namespace by an open TAP.
func attach(tap descriptor: Int32, to network: VirtualNetwork) throws {
    try network.listen(on: .tap(queues: [descriptor]))
}

/// Publishes a port of the machine on the host's loopback, and returns the chosen host port.
func publish(_ port: UInt16, of machine: GuestSelector, on network: VirtualNetwork) throws -> UInt16 {
    let published = try network.publish(
        PortForward(
            hostAddress: IPAddress(IPv4Address(127, 0, 0, 1)), hostPorts: 0...0, guestPorts: port...port,
            transport: .tcp, guest: machine))
    return published.forward.hostPorts.lowerBound
}

/// The next attached machine; `nil` if the network ends before.
func nextGuest(_ events: AsyncStream<VirtualNetwork.Event>) async -> Guest? {
    for await event in events {
        if case .guestAttached(let guest) = event { return guest }
    }
    return nil
}

/// One line about a machine's traffic; `nil` if it was detached.
func load(of guest: Guest, on network: VirtualNetwork) -> String? {
    guard let statistics = network.statistics(of: guest.id) else { return nil }
    let received = statistics["octetsToGuest"]
    let sent = statistics["octetsFromGuest"]
    return "\(guest.name): \(received) bytes in, \(sent) out, \(statistics["tcpFlows"]) connections"
}
