internal import CRingway
internal import Glibc
public import RingwayModel
internal import RingwaySystem

/// Makes the addresses at which the guest reaches the host usable inside the guest's network namespace: a socket
/// there may bind to one of them, and replies to it are delivered in that namespace.
///
/// All other traffic of the guest to these addresses still leaves through its interface. A packet mark distinguishes
/// the two. The sockets that bind to the host's addresses set the mark (SO_MARK). An accepted connection inherits the
/// mark of the client's SYN, and the RST of a closed port has it, too. A rule sends marked packets to a separate
/// routing table, in which the addresses are local. Each interface has its own mark and table, so that several
/// networks of Ringway in one namespace do not interfere.
///
/// The rule, the route and the sysctls of `NamespaceSettings` are set when the first socket is needed. In a namespace
/// that was not created for the guest, `undo` reverts them. In such a namespace nothing is set if other programs have
/// routing rules for packet marks and `tcp_fwmark_accept` is off: to turn it on would apply those rules to accepted
/// connections, too.
public final class HostAddressRoute {
    /// The upper 16 bits of marks and table numbers: "RI". The lower 16 bits are from the interface's index.
    static var markBase: UInt32 { 0x5249_0000 }

    /// The rules' priority: after the rule for the local table, and before those for the main and the default table.
    static var priority: UInt32 { 100 }

    private enum State { case untouched, inForce, impossible }

    /// The mark (SO_MARK) of the sockets, which is also the number of the routing table.
    public let mark: UInt32
    private let ipv4: IPAddress
    private let ipv6: IPAddress
    private let ownsNamespace: Bool
    private let settings: NamespaceSettings
    /// Each family has a state of its own, because a namespace without IPv6 may still have IPv4.
    private var ipv4State = State.untouched
    private var ipv6State = State.untouched

    /// Prepares the routes to the host's addresses. Changes nothing in the namespace yet.
    ///
    /// - Parameters:
    ///   - ipv4, ipv6: the host's addresses, as the guest knows them.
    ///   - index: the index of the guest's interface.
    ///   - ownsNamespace: whether the namespace was created for the guest, and so ends with it.
    public init(ipv4: IPv4Address, ipv6: IPv6Address, interface index: UInt32, ownsNamespace: Bool) {
        mark = Self.markBase | (index & 0xFFFF)
        self.ipv4 = IPAddress(ipv4)
        self.ipv6 = IPAddress(ipv6)
        self.ownsNamespace = ownsNamespace
        settings = NamespaceSettings()
    }

    /// The descriptors that this object has open.
    var descriptors: [Int32] { settings.directory < 0 ? [] : [settings.directory] }

    /// Makes sure that rule, route and sysctls of a family are set in the caller's current network namespace.
    ///
    /// - Returns: false if they cannot be set.
    public func establish(ipv4 isIPv4: Bool) -> Bool {
        switch isIPv4 ? ipv4State : ipv6State {
        case .impossible: return false
        // The sysctls are set again, because `undo` for another interface may have reset them.
        case .inForce: return settings.keepMarks()
        case .untouched:
            let isDone = apply(isIPv4 ? ipv4 : ipv6)
            if isIPv4 {
                ipv4State = isDone ? .inForce : .impossible
            } else {
                ipv6State = isDone ? .inForce : .impossible
            }
            return isDone
        }
    }

    private func apply(_ address: IPAddress) -> Bool {
        guard address.isIPv4 || settings.hasIPv6 else { return false }
        do throws(SystemError) {
            var socket = try NetlinkSocket()
            if !ownsNamespace, !settings.keepsMarks {
                for family in [true, false] where family || settings.hasIPv6 {
                    if try socket.hasForeignMarks(ipv4: family) { return false }
                }
            }
            guard settings.keepMarks() else { return false }
            for request in [rule(ipv4: address.isIPv4), route(to: address)] {
                do throws(SystemError) {
                    try socket.perform([request])
                } catch  where error.errno == EEXIST {
                    // A killed process left the rule or route. It is the same one, because mark and table belong to
                    // this interface.
                }
            }
            return true
        } catch {
            remove(address)
            return false
        }
    }

    /// Removes rules and routes and restores the sysctls, unless the namespace was created for the guest and so ends
    /// with it.
    public func undo() {
        guard !ownsNamespace else { return }
        if ipv4State == .inForce { remove(ipv4) }
        if ipv6State == .inForce { remove(ipv6) }
        settings.restore()
        ipv4State = .impossible
        ipv6State = .impossible
    }

    private func remove(_ address: IPAddress) {
        do throws(SystemError) {
            var socket = try NetlinkSocket()
            for request in [rule(ipv4: address.isIPv4, isRemoved: true), route(to: address, isRemoved: true)] {
                // Errors are ignored: rule and route may be gone, because their interface or namespace was deleted.
                do throws(SystemError) { try socket.perform([request]) } catch {}
            }
        } catch {}
    }

    func rule(ipv4: Bool, isRemoved: Bool = false) -> NetlinkMessage {
        var header = fib_rule_hdr()
        header.family = UInt8(ipv4 ? AF_INET : AF_INET6)
        header.action = UInt8(ringway_fra_action_table)
        var message = Self.message(
            "rule for marked packets", isRemoved, add: RTM_NEWRULE, remove: RTM_DELRULE, header: header)
        message.append(ringway_fra_priority, Self.priority)
        message.append(ringway_fra_mark, mark)
        message.append(ringway_fra_table, mark)
        return message
    }

    func route(to address: IPAddress, isRemoved: Bool = false) -> NetlinkMessage {
        var header = rtmsg()
        header.rtm_family = UInt8(address.isIPv4 ? AF_INET : AF_INET6)
        header.rtm_dst_len = address.isIPv4 ? 32 : 128
        header.rtm_protocol = UInt8(RTPROT_STATIC)
        header.rtm_scope = UInt8(address.isIPv4 ? RT_SCOPE_HOST.rawValue : RT_SCOPE_UNIVERSE.rawValue)
        header.rtm_type = UInt8(RTN_LOCAL)
        var message = Self.message(
            "route to \(address)", isRemoved, add: RTM_NEWROUTE, remove: RTM_DELROUTE, header: header)
        message.append(ringway_rta_destination, address)
        message.append(ringway_rta_interface, InterfaceConfiguration.loopbackIndex)
        message.append(ringway_rta_table, mark)
        return message
    }

    private static func message(
        _ object: String, _ isRemoved: Bool, add: Int, remove: Int, header: some BitwiseCopyable
    ) -> NetlinkMessage {
        isRemoved
            ? NetlinkMessage("remove the \(object)", type: remove, header: header)
            : NetlinkMessage(
                "add the \(object)", type: add, flags: Int(NLM_F_CREATE) | Int(NLM_F_EXCL), header: header)
    }
}

extension NetlinkSocket {
    /// Whether there are routing rules for packet marks other than Ringway's.
    mutating func hasForeignMarks(ipv4: Bool) throws(SystemError) -> Bool {
        var header = fib_rule_hdr()
        header.family = UInt8(ipv4 ? AF_INET : AF_INET6)
        let request = NetlinkMessage("list the rules", type: RTM_GETRULE, flags: ringway_netlink_dump, header: header)
        return try list(request).contains { rule in
            guard let mark = rule.integer(ringway_fra_mark, after: MemoryLayout<fib_rule_hdr>.size) else {
                return false
            }
            return mark != 0 && mark & 0xFFFF_0000 != HostAddressRoute.markBase
        }
    }
}
