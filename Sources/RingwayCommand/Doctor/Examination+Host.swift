internal import CRingway
internal import Glibc
internal import RingwayContainment
internal import RingwayTap

/// Checks of the host's settings.
extension Examination {
    static func pingSockets() -> Finding {
        let name = "ping sockets"
        let setting = Setting("/proc/sys/net/ipv4/ping_group_range").text ?? ""
        let probe = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), Int32(IPPROTO_ICMP))
        if probe >= 0 {
            close(probe)
            return .present(name, "net.ipv4.ping_group_range is \(setting)")
        }
        if geteuid() == 0 { return .present(name, "not needed: root may use raw sockets") }
        return .missing(
            name, "net.ipv4.ping_group_range is \(setting)", cost: "guests cannot ping or trace beyond the gateway",
            remedy: "as root: sysctl net.ipv4.ping_group_range=\"0 2147483647\"")
    }

    static func sandbox() -> Finding { sandbox(filters: Containment.canFilterSystemCalls) }

    /// Whether the sandbox can limit this process if a guest takes it over.
    static func sandbox(filters: Bool) -> Finding {
        filters
            ? .present("sandbox", "system calls can be filtered")
            : .missing(
                "sandbox", "seccomp is missing or forbidden",
                cost: "a guest that takes the process over may make every system call",
                remedy: "use a kernel with CONFIG_SECCOMP_FILTER, and a container whose profile allows seccomp")
    }

    static func openFiles() -> Finding {
        openFiles(hard: FileLimit.current?.hard ?? 0)
    }

    /// Whether the hard limit of open descriptors suffices: every flow needs a socket, and a guest may have 65,536
    /// flows.
    static func openFiles(hard: UInt64) -> Finding {
        let enough: UInt64 = 66_000
        return hard >= enough
            ? .present("open files", "hard limit \(hard)")
            : .missing(
                "open files", "hard limit \(hard)", cost: "about \(hard > 200 ? hard - 200 : 0) flows at a time",
                remedy: "raise \"nofile\" in /etc/security/limits.conf, or LimitNOFILE of the service")
    }

    static func nameServers() -> Finding {
        let servers = ResolverConfiguration.servers(in: ResolverConfiguration.hostContents())
        return servers.isEmpty
            ? .missing(
                "name servers", "none in /etc/resolv.conf", cost: "guests resolve the built-in names only",
                remedy: "add a nameserver line to /etc/resolv.conf, or use --dns")
            : .present("name servers", servers.joined(separator: ", "))
    }

    /// Whether the standard network of guests overlaps no route of this host.
    static func guestNetwork(_ choice: NetworkChoice) -> Finding {
        let name = "guests' network"
        let standard = OptionValue.standardNetwork
        guard let conflict = choice.conflict(of: standard) else { return .present(name, "\(standard) is free here") }
        let other = choice.settle(standard, isChosen: false).network
        let cost =
            other == standard
            ? "guests cannot reach its machines" : "guests get \(other) instead, as each start reports"
        return .missing(
            name, "\(standard) is this host's \(conflict.block) on \(conflict.interface) too", cost: cost,
            remedy: "--network chooses another")
    }

    static func lowPorts() -> Finding {
        let name = "ports below 1024"
        if geteuid() == 0 { return .present(name, "can be published: you are root") }
        let start = Setting("/proc/sys/net/ipv4/ip_unprivileged_port_start").number ?? 1024
        return start <= 1
            ? .present(name, "can be published")
            : .missing(
                name, "ports from \(start) on can be published", cost: "-p cannot take lower ones",
                remedy: "as root: sysctl net.ipv4.ip_unprivileged_port_start=0")
    }
}
