internal import CRingway
internal import Glibc
internal import Ringway
internal import RingwaySystem
internal import RingwayTap

/// Sets up the guest in the forked child process, which then becomes COMMAND or the `GuestKeeper`.
///
/// The queues of the interface are sent to the bridge, which is the parent process, before addresses and routes are
/// set. While they are set, the bridge attaches the queues. Until it has, frames from the kernel wait in the queues.
struct GuestSetup {
    let origin: GuestOrigin
    let interface: InterfaceConfiguration
    let interfaceName: String
    let queues: Int
    /// The network's addresses. The gateway's IPv4 address is the name server in the guest's resolv.conf, if one is
    /// mounted.
    let plan: NetworkPlan
    /// The caller's signal settings, restored for COMMAND.
    let signals: SignalOrigin
    /// The bridge's process. If it has ended, COMMAND is not started.
    let parent: pid_t
    /// The guest's ends of `SocketPairs`, on which the shards request TCP sockets; empty if they request none.
    let sockets: [Int32]

    /// Sets up the guest, hands over the interface and becomes COMMAND or the guest's keeper. A trial exits instead.
    /// The process must have one thread.
    func run(_ handover: consuming TapHandover) -> Never {
        let names: (any KeptNames)?
        let route: HostAddressRoute
        let queues: [Int32]
        var note = ""
        do throws(GuestFailure) {
            try enterNamespaces()
            endWithBridge()
            queues = try makeInterface(handover)
            // This opens /proc/sys/net, and so comes before `showResolver`, which may enter a mount namespace in
            // which that directory is missing or read-only.
            route = HostAddressRoute(
                ipv4: plan.hostIPv4, ipv6: plan.hostIPv6, interface: if_nametoindex(interfaceName),
                ownsNamespace: isOurs)
            names = try showResolver(&note)
        } catch {
            handover.send(error)
            _exit(ExitStatus.ownFailure)
        }
        handover.sendConfigured(note)
        guard origin != .trial else { _exit(0) }
        let keeper = GuestKeeper(
            ends: sockets, source: SocketSource(route), names: names,
            queues: isOurs ? queues : [], life: handover.keepOpen())
        guard case .command(let arguments) = origin else { keeper.run() }
        // The keeper is started only after the bridge has been told that the guest is configured, because the bridge
        // need not wait for the keeper.
        keeper.start()
        guard handover.awaitGo() else { _exit(ExitStatus.ownFailure) }
        signals.restore()
        endWithBridge()
        GuestCommand.execute(arguments)
    }

    /// Mounts a resolv.conf that names the gateway. For `.path` nothing is mounted, because the mount namespaces of
    /// the guest's programs are unknown. A failure for `.process` is no error; `note` is set to the reason.
    private func showResolver(_ note: inout String) throws(GuestFailure) -> (any KeptNames)? {
        switch origin {
        case .command, .trial:
            let resolver = try GuestResolver(
                ResolverConfiguration.contents(
                    gateway: plan.gatewayIPv4, host: ResolverConfiguration.hostContents()))
            try resolver.install()
            return resolver
        case .process(let process):
            do throws(GuestFailure) {
                return try JoinedResolver(of: process) {
                    ResolverConfiguration.contents(gateway: plan.gatewayIPv4, host: $0)
                }
            } catch {
                note = error.message
                return nil
            }
        case .path: return nil
        }
    }

    /// Whether the namespaces are new.
    private var isOurs: Bool {
        switch origin {
        case .command, .trial: true
        case .path, .process: false
        }
    }

    private func enterNamespaces() throws(GuestFailure) {
        switch origin {
        case .command, .trial:
            try NamespaceEntry.enterNew()
            try MountNamespace.detach()
        case .path(let path):
            try NamespaceEntry.join(path, described: path)
        case .process(let process):
            guard kill(process, 0) == 0 || errno == EPERM else {
                throw GuestFailure("cannot join the namespace of process \(process): there is no such process")
            }
            try NamespaceEntry.join("/proc/\(process)/ns/net", described: "the namespace of process \(process)")
        }
    }

    /// Makes the interface, sends its queues to the bridge and returns duplicates of them.
    private func makeInterface(_ handover: borrowing TapHandover) throws(GuestFailure) -> [Int32] {
        try refuseObstacles()
        do {
            let device = try TapDevice.make(name: interfaceName, queues: queues)
            try handover.send(queues: device.queues, offloads: device.offloads)
            try interface.apply(to: interfaceName)
            return device.queues.map { fcntl($0, F_DUPFD_CLOEXEC, 0) }.filter { $0 >= 0 }
        } catch let failure as GuestFailure {
            throw failure
        } catch {
            throw GuestFailure("\(error)\(hint(for: error))")
        }
    }

    /// Refuses to attach if settings of an existing namespace conflict with the interface.
    private func refuseObstacles() throws(GuestFailure) {
        let place: String
        switch origin {
        case .command, .trial: return
        case .path(let path): place = path
        case .process(let process): place = "process \(process)"
        }
        let obstacle: String?
        do throws(SystemError) {
            obstacle = try NamespaceSurvey.obstacle(to: interfaceName, interface)
        } catch {
            throw GuestFailure(error.description)
        }
        if let obstacle { throw GuestFailure("cannot attach to \(place): \(obstacle)") }
    }

    /// The remedy to append to the message of a frequent failure; empty for other failures.
    private func hint(for error: any Error) -> String {
        guard let failure = error as? SystemError else { return "" }
        switch (failure.operation, failure.errno) {
        case ("cannot open /dev/net/tun", EACCES), ("cannot open /dev/net/tun", EPERM),
            ("cannot open /dev/net/tun", ENOENT),
            ("cannot open /dev/net/tun", ENODEV), ("cannot open /dev/net/tun", ENXIO):
            return "; \"ringway doctor\" shows the remedy"
        case (_, EEXIST) where failure.operation.hasPrefix("cannot make the interface"):
            return "; --ifname chooses another name"
        case (_, EEXIST) where failure.operation.hasPrefix("cannot add the default route"):
            return "; --no-default-route leaves the one in force that is there"
        default:
            return ""
        }
    }

    /// Makes the kernel kill COMMAND when the bridge ends, and exits if the bridge has ended already. A change of
    /// credentials resets PR_SET_PDEATHSIG (prctl(2)), so this is called more than once.
    private func endWithBridge() {
        guard case .command = origin else { return }
        _ = ringway_die_with_parent(SIGKILL)
        if getppid() != parent { _exit(ExitStatus.ownFailure) }
    }
}
