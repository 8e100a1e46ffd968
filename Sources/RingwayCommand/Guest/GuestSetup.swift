internal import CRingway
internal import Glibc
internal import Ringway
internal import RingwaySystem
internal import RingwayTap

/// The guest's half of the start: the child process from the fork to COMMAND, or to its end.
///
/// The interface is handed over before it is configured, so that the bridge can attach it at the same time; early
/// frames of the kernel wait in the queues.
struct GuestSetup {
    let origin: GuestOrigin
    let interface: InterfaceConfiguration
    let interfaceName: String
    let queues: Int
    /// The network's addresses. The gateway's is in the guest's `/etc/resolv.conf` under `run`.
    let plan: NetworkPlan
    /// The caller's signal settings, restored for COMMAND.
    let signals: SignalOrigin
    /// The bridge's process, which must be alive.
    let parent: pid_t
    /// The sockets on which TCP sockets are requested; empty if not used.
    let sockets: [Int32]

    /// Sets up the guest, hands over the interface and becomes COMMAND, or the guest's keeper. The process must have
    /// one thread.
    func run(_ handover: consuming TapHandover) -> Never {
        let names: (any KeptNames)?
        let route: HostAddressRoute
        var note = ""
        do throws(GuestFailure) {
            try enterNamespaces()
            endWithBridge()
            try makeInterface(handover)
            // Created before the mount namespace changes, because /proc may not show this network namespace afterwards.
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
            ends: sockets, source: SocketSource(route), names: names, life: handover.keepOpen())
        guard case .command(let arguments) = origin else { keeper.run() }
        // Started after the bridge has been told that the guest is configured, because the bridge does not wait for the
        // keeper.
        keeper.start()
        guard handover.awaitGo() else { _exit(ExitStatus.ownFailure) }
        signals.restore()
        endWithBridge()
        GuestCommand.execute(arguments)
    }

    /// Directs name resolution of the guest's programs to the gateway, if its files are known. Sets `note` to the
    /// reason if that fails without being fatal.
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

    private func makeInterface(_ handover: borrowing TapHandover) throws(GuestFailure) {
        try refuseObstacles()
        do {
            let device = try TapDevice.make(name: interfaceName, queues: queues)
            try handover.send(queues: device.queues, offloads: device.offloads)
            try interface.apply(to: interfaceName)
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

    /// Remedies for failures with a usual cause.
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

    /// Makes the kernel end COMMAND with the bridge. A change of credentials resets this (prctl(2), PR_SET_PDEATHSIG),
    /// so it is called more than once.
    private func endWithBridge() {
        guard case .command = origin else { return }
        _ = ringway_die_with_parent(SIGKILL)
        if getppid() != parent { _exit(ExitStatus.ownFailure) }
    }
}
