internal import CRingway
internal import Glibc
public import RingwayWire

/// Makes the addresses under which a guest knows the host usable on the inside of the guest: a socket there may have one
/// of them as its own, and the answers to it come back to it by the guest's loopback.
///
/// Everything else that the guest sends to these addresses still leaves through its interface. What tells the two apart
/// is the packet mark: such a socket bears it, a connection that a server accepts takes it over from the client's SYN,
/// and so does the RST of a port where nobody listens. A rule sends what is marked to a table of its own, in which the
/// addresses are local.
public struct HostAddressRoute: Sendable {
    /// The mark of the sockets, and the number of the table: "RING".
    public static var mark: UInt32 { 0x5249_4E47 }

    /// Before the tables that everybody uses, after the one of local addresses.
    static var priority: UInt32 { 100 }

    private let addresses: [IPAddress]

    /// For the host's address of each family.
    public init(ipv4: IPv4Address, ipv6: IPv6Address) {
        addresses = [IPAddress(ipv4), IPAddress(ipv6)]
    }

    /// Sets rules, routes and settings in the caller's present network namespace, which must be the caller's to shape.
    public func apply() throws(TapFailure) {
        try InterfaceSysctl.keepMarks()
        var socket = try NetlinkSocket()
        for address in addresses where address.isIPv4 || InterfaceSysctl.exists {
            try socket.perform([Self.rule(ipv4: address.isIPv4), Self.route(to: address)])
        }
    }

    static func rule(ipv4: Bool) -> NetlinkMessage {
        var header = fib_rule_hdr()
        header.family = UInt8(ipv4 ? AF_INET : AF_INET6)
        header.action = UInt8(ringway_fra_action_table)
        var message = NetlinkMessage(
            "add the rule for marked packets", type: RTM_NEWRULE, flags: Int(NLM_F_CREATE) | Int(NLM_F_EXCL),
            header: header)
        message.append(ringway_fra_priority, priority)
        message.append(ringway_fra_mark, mark)
        message.append(ringway_fra_table, mark)
        return message
    }

    static func route(to address: IPAddress) -> NetlinkMessage {
        var header = rtmsg()
        header.rtm_family = UInt8(address.isIPv4 ? AF_INET : AF_INET6)
        header.rtm_dst_len = address.isIPv4 ? 32 : 128
        header.rtm_protocol = UInt8(RTPROT_STATIC)
        header.rtm_scope = UInt8(address.isIPv4 ? RT_SCOPE_HOST.rawValue : RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_LOCAL)
        var message = NetlinkMessage(
            "add the route to \(address)", type: RTM_NEWROUTE, flags: Int(NLM_F_CREATE) | Int(NLM_F_EXCL),
            header: header)
        message.append(ringway_rta_destination, address)
        message.append(ringway_rta_interface, InterfaceConfiguration.loopbackIndex)
        message.append(ringway_rta_table, mark)
        return message
    }
}
