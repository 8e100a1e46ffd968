internal import Glibc
internal import Ringway

/// How the things of a network look in answers.
extension JSONWriter {
    mutating func members(ofStatus controlled: ControlledNetwork) {
        let network = controlled.network
        let statistics = network.statistics()
        let ports = network.publishedPorts
        member("name", controlled.name)
        member("version", controlled.version)
        member("pid", getpid())
        member("uptimeSeconds", (ContinuousClock.now - controlled.started).components.seconds)
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
        member("forwards", ports.count)
        member("publishedPorts", ports.reduce(0) { $0 + $1.forward.hostPorts.count })
        member("flows", statistics.flows)
        member("counters") { $0.members(of: statistics) }
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
            writer.member("transport", forward.transport.rawValue)
            writer.member("hostAddress", forward.hostAddress.map { "\($0)" })
            writer.member("hostPort", forward.hostPorts.lowerBound)
            writer.member("guestPort", forward.guestPorts.lowerBound)
            writer.member("count", forward.hostPorts.count)
            writer.member("guest", forward.guest == .first ? nil : "\(forward.guest)")
            writer.member("requested", port.isChosen ? "\(port.requested)" : nil)
            writer.member("guestId", port.guest)
            writer.member("state", port.problem != nil ? "failed" : port.guest == nil ? "waiting" : "active")
            writer.member("problem", port.problem)
            writer.member("owner", port.owner)
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
        }
    }

    mutating func name(_ name: NetworkName) {
        object { writer in
            writer.member("name", name.name)
            writer.member("ipv4", name.ipv4.map { "\($0)" })
            writer.member("ipv6", name.ipv6.map { "\($0)" })
        }
    }

    mutating func flow(_ flow: NetworkFlow) {
        let record = flow.record
        let key = record.key
        let hasRemote = key.remotePort != 0 || record.kind == .tcp
        let host = record.hostAddress
        object { writer in
            writer.member("guest", flow.guest)
            writer.member("transport", Self.transport(of: record.kind))
            writer.member("openedBy", record.isOpenedByHost ? "host" : "guest")
            writer.member("guestAddress", "\(TransportAddress(address: key.guest, port: key.guestPort))")
            writer.member(
                "remoteAddress", hasRemote ? "\(TransportAddress(address: key.remote, port: key.remotePort))" : nil)
            writer.member("hostAddress", hasRemote && record.kind != .ping ? "\(host)" : nil)
            writer.member("state", "\(record.state)")
            writer.member("spliced", record.isSpliced)
            writer.member("octetsFromGuest", record.octetsFromGuest)
            writer.member("octetsToGuest", record.octetsToGuest)
            writer.member("idleMilliseconds", record.idle / 1_000_000)
        }
    }

    private static func transport(of kind: Flow.Kind) -> String {
        switch kind {
        case .tcp: "tcp"
        case .udp, .forwardedUDP: "udp"
        case .ping: "icmp"
        }
    }
}

extension Statistics {
    /// Flows of all kinds.
    var flows: Int { self["tcpFlows"] + self["udpMappings"] + self["pingMappings"] + self["splicedConnections"] }
}
