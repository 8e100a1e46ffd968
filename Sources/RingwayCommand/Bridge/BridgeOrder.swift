internal import Glibc
internal import Ringway
internal import RingwayContainment
internal import RingwayControl
internal import RingwayTap

/// The options of `run` or `attach`, checked and completed before anything starts.
struct BridgeOrder {
    let configuration: VirtualNetwork.Configuration
    let plan: NetworkPlan
    let publish: [PortForward]
    let origin: GuestOrigin
    let interfaceName: String
    let queues: Int
    /// Whether connections from the host's loopback to published ports are relayed by splice(2) to a socket inside the
    /// guest, bypassing the guest's interface.
    let splices: Bool
    let control: ControlOrder
    /// Whether to set default routes through this network.
    let setsDefaultRoutes: Bool
    /// The resolv.conf to write for "ip netns exec".
    let netnsResolver: NetnsResolver?
    let ready: ReadyNotice?
    let statistics: StatisticsFile?
    let sandbox: Containment.Mode

    init(
        guest: GuestOptions, network: NetworkOptions, bridge: BridgeOptions, limits: LimitOptions,
        control: ControlOrder = .none, origin: GuestOrigin, setsDefaultRoutes: Bool = true,
        netnsResolver: NetnsResolver? = nil
    ) throws(CommandFailure) {
        var configuration = VirtualNetwork.Configuration(network, bridge, limits)
        var generator = SystemRandomNumberGenerator()
        // The prefix is chosen here rather than by the network, because the guest's setup needs it before there is a
        // network.
        let prefix = network.ipv6Prefix ?? NetworkPlan.randomIPv6Prefix(using: &generator)
        let choice = NetworkChoice().settle(configuration.ipv4Network, isChosen: network.network != nil)
        configuration.ipv4Network = choice.network
        guard let plan = NetworkPlan(ipv4: choice.network, ipv6Prefix: prefix, mtu: network.mtu) else {
            throw CommandFailure("the network options contradict each other", status: ExitStatus.usage)
        }
        for notice in [choice.notice, network.ipv6Prefix.flatMap { NetworkChoice.notice(prefix: $0) }] {
            if let notice { StandardError.write(notice) }
        }
        configuration.ipv6Prefix = prefix
        configuration.shards = bridge.queueCount
        // The source addresses of frames are not checked: this is the only guest, and it may have further addresses
        // behind its interface.
        configuration.checksSources = false
        self.configuration = configuration
        self.plan = plan
        self.origin = origin
        self.control = control
        self.setsDefaultRoutes = setsDefaultRoutes
        self.netnsResolver = netnsResolver
        publish = guest.publish
        interfaceName = guest.ifname
        queues = bridge.queueCount
        // This does not depend on `publish`, because ports may also be published later.
        splices = !guest.noSplice
        ready = bridge.readyDescriptor.map(ReadyNotice.init)
        statistics = bridge.statisticsFile.map(StatisticsFile.init)
        sandbox = bridge.sandbox
    }

    /// The options of the guest that `ringway doctor` sets up as a trial.
    init(trialWithQueues queues: Int) throws(CommandFailure) {
        var configuration = VirtualNetwork.Configuration()
        let prefix = IPv6Address(high: 0xFD << 56, low: 0)
        guard let plan = NetworkPlan(ipv4: configuration.ipv4Network, ipv6Prefix: prefix, mtu: configuration.mtu)
        else { throw CommandFailure("the standard network is impossible") }
        configuration.ipv6Prefix = prefix
        configuration.shards = queues
        configuration.checksSources = false
        self.configuration = configuration
        self.plan = plan
        self.queues = queues
        publish = []
        control = .none
        origin = .trial
        setsDefaultRoutes = true
        netnsResolver = nil
        splices = false
        interfaceName = "eth0"
        ready = nil
        statistics = nil
        sandbox = .off
    }

    /// The guest's ethernet address, derived from its IPv4 address, so that it is the same at every start.
    private var mac: MACAddress { MACAddress(rawValue: 0x5255_0000_0000 | UInt64(plan.firstGuestIPv4.rawValue)) }

    /// The guest's IPv6 address. SLAAC (RFC 4862 §5.5.3) forms the same address, so that the gateway's router
    /// advertisement does not add a second one.
    private var ipv6: IPv6Address { IPv6Address(prefix: plan.ipv6Prefix, interfaceIdentifierFrom: mac) }

    /// The addresses that identify the guest to the network.
    var identity: GuestIdentity {
        GuestIdentity(mac: mac, ipv4: plan.firstGuestIPv4, ipv6: ipv6)
    }

    /// The default name of the network.
    var controlName: String { ControlName.derived(from: origin, process: getpid()) }

    /// The identity that the control API reports for the network under this name.
    func controlIdentity(_ name: String) -> ControlIdentity {
        ControlIdentity(
            name: name, kind: origin.isCommand ? .run : .attach, target: origin.description, version: Version.text,
            sandbox: .current)
    }

    /// Whether to print a message when the network is up: under `attach`, but not under `run`.
    var announces: Bool {
        switch origin {
        case .path, .process: true
        case .command, .trial: false
        }
    }

    /// The configuration of the guest's interface.
    func interface() throws(CommandFailure) -> InterfaceConfiguration {
        guard let ipv4 = CIDRBlock(address: IPAddress(plan.firstGuestIPv4), prefixLength: plan.ipv4PrefixLength),
            let ipv6 = CIDRBlock(address: IPAddress(ipv6), prefixLength: 64)
        else { throw CommandFailure("the network has no room for a guest", status: ExitStatus.usage) }
        let ownsNamespace =
            switch origin {
            case .command, .trial: true
            case .path, .process: false
            }
        var interface = InterfaceConfiguration(
            mac: mac, mtu: plan.mtu, ipv4: ipv4, ipv4Gateway: plan.gatewayIPv4, ipv6: ipv6,
            ipv6Gateway: plan.gatewayLinkLocal, ownsNamespace: ownsNamespace)
        interface.setsDefaultRoutes = setsDefaultRoutes
        return interface
    }
}

extension VirtualNetwork.Configuration {
    /// The network configuration from the command's options; the caller sets the number of shards.
    init(_ network: NetworkOptions, _ bridge: BridgeOptions, _ limits: LimitOptions) {
        self.init()
        ipv4Network = network.network ?? OptionValue.standardNetwork
        ipv6Prefix = network.ipv6Prefix
        mtu = network.mtu
        nameServers = network.dns
        hostLoopback = !network.noHostLoopback
        host = !network.noHost
        udpFiltering = network.udpFiltering
        keepsPrivilegedPorts = network.privilegedSourcePorts
        publishOn = network.publishOn
        allow = network.allow
        deny = network.deny
        busyPoll = bridge.busyPoll
        reactor = bridge.reactor
        capture = bridge.captureOptions.options(for: bridge.capture)
        self.limits = limits.limits
    }
}
