internal import Glibc
internal import Ringway

/// The JSON of a network's objects in responses.
extension JSONWriter {
    mutating func members(ofStatus controlled: ControlledNetwork) {
        let network = controlled.network
        let statistics = network.statistics()
        let ports = network.publishedPorts
        let places = network.agentPlaces
        member("name", controlled.identity.name)
        member("kind", controlled.identity.kind.rawValue)
        member("target", controlled.identity.target)
        member("version", controlled.identity.version)
        member("pid", getpid())
        member("programReplaced", controlled.identity.isReplaced)
        member("sandbox") { $0.members(of: controlled.identity.sandbox) }
        member("startTime", controlled.identity.startTime)
        member("uptimeSeconds", controlled.identity.uptime)
        member("network") { writer in
            writer.member("ipv4", "\(network.configuration.ipv4Network)")
            writer.member("ipv6", "\(network.plan.ipv6Prefix)/64")
            writer.member("mtu", network.plan.mtu)
            writer.member("gatewayIPv4", "\(network.plan.gatewayIPv4)")
            writer.member("gatewayIPv6", "\(network.plan.gatewayIPv6)")
            writer.member("hostIPv4", "\(network.plan.hostIPv4)")
            writer.member("hostIPv6", "\(network.plan.hostIPv6)")
        }
        member("isolate", network.configuration.isolate)
        member("guests", statistics["guests"])
        member("forwards", ports.count + places.count)
        member("publishedPorts", ports.reduce(places.count) { $0 + $1.forward.hostPorts.count })
        member("flows", statistics.flows)
        members(ofBounds: network)
        members(ofTroubles: statistics)
        member("counters") { $0.members(of: statistics) }
    }

    private mutating func members(of sandbox: SandboxState) {
        member("mode", sandbox.mode)
        member("layers", sandbox.layers) { $0.string($1) }
        member("missing", sandbox.missing) { writer, missing in
            writer.object {
                $0.member("layer", missing.layer)
                $0.member("reason", missing.reason)
            }
        }
    }

    mutating func members(of statistics: Statistics) {
        for (name, value) in statistics.counters {
            key(name)
            integer(value)
        }
    }

    mutating func members(of guest: Guest, _ statistics: Statistics?) {
        member("id", guest.id)
        member("name", guest.name)
        member("claimsName", guest.claimsName)
        member("mac", "\(guest.mac)")
        member("ipv4", "\(guest.ipv4)")
        member("ipv6", "\(guest.ipv6)")
        member("link", guest.link)
        member("flows", statistics?.flows ?? 0)
        member("octetsFromGuest", statistics?["octetsFromGuest"] ?? 0)
        member("octetsToGuest", statistics?["octetsToGuest"] ?? 0)
    }

    mutating func forward(_ port: PublishedPort) {
        let forward = port.forward
        object { writer in
            writer.member("id", port.id)
            writer.member("kind", "port")
            writer.member("transport", forward.transport.rawValue)
            writer.member("hostAddress", forward.hostAddress.map { "\($0)" })
            writer.member("hostPort", forward.hostPorts.lowerBound)
            writer.member("guestPort", forward.guestPorts.lowerBound)
            writer.member("count", forward.hostPorts.count)
            writer.member("path", String?.none)
            writer.member("target", String?.none)
            writer.member("guest", forward.guest == .first ? nil : "\(forward.guest)")
            writer.member("requested", port.isChosen ? "\(port.requested)" : nil)
            writer.member("guestId", port.guest)
            writer.member("state", port.state)
            writer.member("problem", port.problem)
            writer.member("owner", port.owner)
        }
    }

    /// Writes a forward through an agent, with the keys of a published port.
    mutating func forward(_ place: AgentPlace) {
        let forward = place.forward
        var (address, path): (TransportAddress?, String?)
        switch forward.place {
        case .address(let host): address = host
        case .unix(let file): path = file
        }
        var (transport, port) = ("tcp", UInt16?.none)
        switch forward.target.endpoint {
        case .tcp(let server): port = server.port
        case .udp(let server): (transport, port) = ("udp", server.port)
        case .unix: break
        }
        object { writer in
            writer.member("id", place.id)
            writer.member("kind", place.kind.rawValue)
            writer.member("transport", path == nil ? transport : "unix")
            writer.member("hostAddress", address.map { "\($0.address)" })
            writer.member("hostPort", address?.port)
            writer.member("guestPort", port)
            writer.member("count", 1)
            writer.member("path", path)
            writer.member("target", forward.target.specification)
            writer.member("guest", forward.guest == .first ? nil : "\(forward.guest)")
            writer.member("requested", String?.none)
            writer.member("guestId", place.guest)
            writer.member("state", place.state.rawValue)
            writer.member("problem", place.problem)
            writer.member("owner", place.owner)
        }
    }

    /// All published ports and all forwards through agents, in order of creation.
    mutating func forwards(of network: VirtualNetwork) {
        enum Entry {
            case port(PublishedPort)
            case place(AgentPlace)

            var id: PublishedPort.ID {
                switch self {
                case .port(let port): port.id
                case .place(let place): place.id
                }
            }
        }
        let entries = network.publishedPorts.map { Entry.port($0) } + network.agentPlaces.map { Entry.place($0) }
        array(entries.sorted { $0.id < $1.id }) { writer, entry in
            switch entry {
            case .port(let port): writer.forward(port)
            case .place(let place): writer.forward(place)
            }
        }
    }

    mutating func lease(_ lease: GuestLease) {
        object { writer in
            writer.member("mac", "\(lease.mac)")
            writer.member("ipv4", "\(lease.ipv4)")
            writer.member("ipv6", "\(lease.ipv6)")
            writer.member("name", lease.name)
            writer.member("static", lease.isStatic)
            writer.member("present", lease.isPresent)
            writer.member("link", lease.link.map { "\($0)" })
        }
    }

    mutating func name(_ name: NetworkName) {
        object { writer in
            writer.member("name", name.name)
            writer.member("ipv4", name.ipv4.map { "\($0)" })
            writer.member("ipv6", name.ipv6.map { "\($0)" })
        }
    }

    /// Writes a flow. Either end of a flow through an agent may be a unix socket.
    mutating func flow(_ flow: NetworkFlow) {
        func text(_ address: TransportAddress?, _ path: String?) -> String? {
            address.map { "\($0)" } ?? path.map { "unix:\($0)" }
        }
        object { writer in
            writer.member("guest", flow.guest)
            writer.member("transport", flow.transport.rawValue)
            writer.member("openedBy", flow.isOpenedByHost ? "host" : "guest")
            writer.member("guestAddress", text(flow.guestAddress, flow.guestPath))
            writer.member("remoteAddress", text(flow.remoteAddress, flow.hostPath))
            writer.member("hostAddress", text(flow.hostAddress, flow.hostPath))
            writer.member("forward", flow.place)
            writer.member("state", flow.state.rawValue)
            writer.member("spliced", flow.isSpliced)
            writer.member("octetsFromGuest", flow.bytesFromGuest)
            writer.member("octetsToGuest", flow.bytesToGuest)
            writer.member("idleMilliseconds", flow.idleNanoseconds / 1_000_000)
        }
    }
}

extension Statistics {
    /// Flows of all kinds.
    var flows: Int { self["tcpFlows"] + self["udpMappings"] + self["pingMappings"] + self["splicedConnections"] }
}

extension PublishedPort {
    /// The state, as named in the API.
    var state: String { problem != nil ? "failed" : guest == nil ? "waiting" : "active" }
}
