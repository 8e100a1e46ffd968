internal import CRingway
internal import Glibc
public import RingwayModel
public import RingwaySystem
internal import RingwayWire

/// The configuration of the guest's interface.
///
/// `apply` sets the interface's ethernet address, MTU and queue length, removes its packet scheduler, brings it and
/// the loopback interface up, and adds an address of each family and (with `setsDefaultRoutes`) a default route of
/// each family through the gateway. If the kernel has no IPv6, only IPv4 is configured. Duplicate address detection
/// is disabled, because it would delay the start by a second.
public struct InterfaceConfiguration: Sendable {
    /// The interface's own ethernet address.
    public var mac: MACAddress
    /// The length of the largest IP packet, in bytes.
    public var mtu: Int
    /// The transmit queue length, in frames.
    public var queueLength: UInt32
    /// The interface's IPv4 address and its prefix length.
    public var ipv4: CIDRBlock
    /// The gateway of the IPv4 default route.
    public var ipv4Gateway: IPv4Address
    /// The interface's IPv6 address and its prefix length.
    public var ipv6: CIDRBlock
    /// The gateway of the IPv6 default route; a link-local address refers to this interface.
    public var ipv6Gateway: IPv6Address
    /// Whether the namespace was created for this interface, so that IPv6 may be enabled on its other interfaces,
    /// too.
    public var ownsNamespace: Bool
    /// Whether to set default routes through this interface.
    public var setsDefaultRoutes = true

    /// Ten thousand frames. The queue is long, because a TAP whose queue is full drops frames instead of blocking the
    /// sender.
    public static var defaultQueueLength: UInt32 { 10_000 }

    /// A configuration with these settings.
    public init(
        mac: MACAddress, mtu: Int, queueLength: UInt32 = defaultQueueLength, ipv4: CIDRBlock, ipv4Gateway: IPv4Address,
        ipv6: CIDRBlock, ipv6Gateway: IPv6Address, ownsNamespace: Bool
    ) {
        self.mac = mac
        self.mtu = mtu
        self.queueLength = queueLength
        self.ipv4 = ipv4
        self.ipv4Gateway = ipv4Gateway
        self.ipv6 = ipv6
        self.ipv6Gateway = ipv6Gateway
        self.ownsNamespace = ownsNamespace
    }

    /// Applies the configuration to the interface `name` of the caller's current network namespace.
    public func apply(to name: String) throws(SystemError) {
        let index = if_nametoindex(name)
        guard index != 0 else { throw SystemError(cannot: "find the interface \(name)") }
        let hasIPv6 = InterfaceSysctl.exists
        var socket = try NetlinkSocket()
        try socket.perform([settings(of: index, name: name)])
        // A failure is ignored: the packet scheduler then only costs time and memory at the start.
        do throws(SystemError) { try socket.perform([Self.unqueued(index, name)]) } catch {}
        // The IPv6 sysctls must be set before the interface is brought up, when the kernel assigns its link-local
        // address.
        if hasIPv6 { InterfaceSysctl.prepareIPv6(of: name, ownsNamespace: ownsNamespace) }
        // The addresses, too, must be added before the interface is brought up. Otherwise a router advertisement could
        // first create the same IPv6 address, with duplicate address detection.
        var requests = [address(ipv4, of: index)]
        if hasIPv6 { requests.append(address(ipv6, of: index)) }
        requests += [Self.up(InterfaceConfiguration.loopbackIndex, "lo"), Self.up(index, name)]
        if setsDefaultRoutes { requests.append(route(through: IPAddress(ipv4Gateway), by: index)) }
        if setsDefaultRoutes, hasIPv6 { requests.append(route(through: IPAddress(ipv6Gateway), by: index)) }
        try socket.perform(requests)
        if hasIPv6 { showIPv6() }
    }

    /// Makes the interface's IPv6 address known to the gateway, by an empty UDP datagram to its discard port. The
    /// gateway has the network's first address. Without duplicate address detection, the kernel sends nothing from an
    /// address before a program uses it.
    private func showIPv6() {
        let descriptor = Glibc.socket(AF_INET6, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var gateway = sockaddr_in6()
        gateway.sin6_family = sa_family_t(AF_INET6)
        gateway.sin6_port = UInt16(9).bigEndian
        let address = IPv6Address(high: ipv6.address.ipv6.high, low: 1)
        withUnsafeMutableBytes(of: &gateway.sin6_addr) { bytes in
            if let base = bytes.baseAddress { address.store(to: base) }
        }
        withUnsafePointer(to: &gateway) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                _ = sendto(
                    descriptor, nil, 0, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), name,
                    socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }

    /// Applies only the settings of the link: ethernet address, MTU, queue length and packet scheduler. Addresses and
    /// routes are left to other programs.
    public func applyLink(to name: String) throws(SystemError) {
        let index = if_nametoindex(name)
        guard index != 0 else { throw SystemError(cannot: "find the interface \(name)") }
        var socket = try NetlinkSocket()
        try socket.perform([settings(of: index, name: name)])
        do throws(SystemError) { try socket.perform([Self.unqueued(index, name)]) } catch {}
    }

    /// The metric of the IPv6 default route. It is below 1024, the metric of routes from router advertisements, so
    /// that this route is preferred.
    static var ipv6RouteMetric: UInt32 { 512 }

    /// The index of the loopback interface, which is the first interface of every network namespace.
    static var loopbackIndex: UInt32 { 1 }

    static func up(_ index: UInt32, _ name: String) -> NetlinkMessage {
        var header = ifinfomsg()
        header.ifi_index = Int32(index)
        header.ifi_flags = UInt32(IFF_UP.rawValue)
        header.ifi_change = UInt32(IFF_UP.rawValue)
        return NetlinkMessage("bring \(name) up", type: RTM_NEWLINK, header: header)
    }

    /// A request to remove the packet scheduler. A TAP never blocks its sender, so a scheduler's queue never fills.
    /// But a multi-queue device has 256 schedulers, and each allocates memory at once for a queue as long as the
    /// device's.
    static func unqueued(_ index: UInt32, _ name: String) -> NetlinkMessage {
        var header = tcmsg()
        header.tcm_ifindex = Int32(index)
        header.tcm_parent = .max
        var message = NetlinkMessage(
            "take the packet scheduler off \(name)", type: RTM_NEWQDISC,
            flags: Int(NLM_F_CREATE) | Int(NLM_F_REPLACE), header: header)
        Array("noqueue\0".utf8).withUnsafeBytes { message.append(ringway_tca_kind, bytes: $0) }
        return message
    }

    func settings(of index: UInt32, name: String) -> NetlinkMessage {
        var header = ifinfomsg()
        header.ifi_index = Int32(index)
        var message = NetlinkMessage("set MTU and address of \(name)", type: RTM_NEWLINK, header: header)
        withUnsafeTemporaryAllocation(byteCount: 6, alignment: 1) { bytes in
            guard let base = bytes.baseAddress else { return }
            mac.store(to: base)
            message.append(ringway_ifla_address, bytes: UnsafeRawBufferPointer(bytes))
        }
        message.append(ringway_ifla_mtu, UInt32(mtu))
        message.append(ringway_ifla_queue_length, queueLength)
        return message
    }

    func address(_ block: CIDRBlock, of index: UInt32) -> NetlinkMessage {
        var header = ifaddrmsg()
        header.ifa_family = UInt8(block.address.isIPv4 ? AF_INET : AF_INET6)
        header.ifa_prefixlen = UInt8(block.prefixLength)
        header.ifa_index = index
        var message = NetlinkMessage(
            "add the address \(block)", type: RTM_NEWADDR, flags: Int(NLM_F_CREATE) | Int(NLM_F_REPLACE), header: header
        )
        message.append(ringway_ifa_local, block.address)
        message.append(ringway_ifa_address, block.address)
        if block.address.isIPv4 {
            let broadcast = block.address.ipv4.rawValue | (UInt32.max >> UInt32(block.prefixLength))
            message.append(ringway_ifa_broadcast, IPAddress(IPv4Address(rawValue: broadcast)))
        } else {
            message.append(ringway_ifa_flags, UInt32(IFA_F_NODAD))
        }
        return message
    }

    func route(through gateway: IPAddress, by index: UInt32) -> NetlinkMessage {
        var header = rtmsg()
        header.rtm_family = UInt8(gateway.isIPv4 ? AF_INET : AF_INET6)
        header.rtm_table = UInt8(RT_TABLE_MAIN.rawValue)
        header.rtm_protocol = UInt8(RTPROT_STATIC)
        header.rtm_scope = UInt8(RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_UNICAST)
        // With this flag, the gateway counts as on-link even before the interface has a link-local address.
        header.rtm_flags = UInt32(RTNH_F_ONLINK)
        var message = NetlinkMessage(
            "add the default route through \(gateway)", type: RTM_NEWROUTE,
            flags: Int(NLM_F_CREATE) | Int(NLM_F_EXCL), header: header)
        message.append(ringway_rta_gateway, gateway)
        message.append(ringway_rta_interface, index)
        // A router advertisement may already have created a default route, with a metric of 1024. With its own
        // metric, this route is added beside that one.
        if !gateway.isIPv4 { message.append(ringway_rta_priority, Self.ipv6RouteMetric) }
        return message
    }
}

extension NetlinkMessage {
    /// Appends an attribute that contains an IPv4 or IPv6 address in network order.
    mutating func append(_ attribute: Int, _ address: IPAddress) {
        let count = address.isIPv4 ? 4 : 16
        withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { bytes in
            guard let base = bytes.baseAddress else { return }
            if address.isIPv4 {
                address.ipv4.store(to: base)
            } else {
                address.ipv6.store(to: base)
            }
            append(attribute, bytes: UnsafeRawBufferPointer(bytes))
        }
    }
}
