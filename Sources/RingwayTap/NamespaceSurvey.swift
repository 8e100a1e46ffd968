internal import CRingway
internal import Glibc
internal import RingwayModel
public import RingwaySystem
internal import RingwayWire

/// Finds settings of the caller's current network namespace that conflict with an interface to be created there.
public enum NamespaceSurvey {
    /// A message that describes the conflict and how to resolve it; `nil` if there is none.
    ///
    /// - Parameters:
    ///   - name: the interface's name.
    ///   - configuration: its intended configuration.
    public static func obstacle(to name: String, _ configuration: InterfaceConfiguration) throws(SystemError) -> String?
    {
        if if_nametoindex(name) != 0 {
            return "it has an interface \(name) already: --ifname chooses another name"
        }
        var socket = try NetlinkSocket()
        if configuration.setsDefaultRoutes, let route = try socket.defaultRoute() {
            return "it has a default route already, \(route): remove that, or leave it in force with --no-default-route"
        }
        let network = configuration.ipv4
        if let (address, owner) = try socket.neighbor(in: network) {
            return
                "its interface \(owner) has the address \(address), and so the network \(network.networkAddress)/\(network.prefixLength): "
                + "--network chooses another"
        }
        return nil
    }
}

extension NetlinkSocket {
    /// A description of the first IPv4 default route in the main table with metric 0; `nil` if there is none. It would
    /// conflict with the new interface's default route, which has the same metric.
    fileprivate mutating func defaultRoute() throws(SystemError) -> String? {
        var header = rtmsg()
        header.rtm_family = UInt8(AF_INET)
        let length = MemoryLayout<rtmsg>.size
        for record in try list(
            NetlinkMessage("list the routes", type: RTM_GETROUTE, flags: ringway_netlink_dump, header: header))
        {
            guard let header = record.header(as: rtmsg.self), header.rtm_dst_len == 0,
                header.rtm_type == UInt8(RTN_UNICAST),
                record.integer(ringway_rta_table, after: length) ?? UInt32(header.rtm_table)
                    == UInt32(RT_TABLE_MAIN.rawValue),
                record.integer(ringway_rta_priority, after: length) ?? 0 == 0
            else { continue }
            var words = "by"
            if let gateway = record.address(ringway_rta_gateway, after: length) { words = "through \(gateway) by" }
            return "\(words) \(interfaceName(record.integer(ringway_rta_interface, after: length) ?? 0))"
        }
        return nil
    }

    /// The first IPv4 address in the namespace that equals `block`'s address or is in the same network with the same
    /// prefix length, and the name of its interface.
    fileprivate mutating func neighbor(in block: CIDRBlock) throws(SystemError) -> (IPv4Address, String)? {
        var header = ifaddrmsg()
        header.ifa_family = UInt8(AF_INET)
        let length = MemoryLayout<ifaddrmsg>.size
        for record in try list(
            NetlinkMessage("list the addresses", type: RTM_GETADDR, flags: ringway_netlink_dump, header: header))
        {
            guard let header = record.header(as: ifaddrmsg.self),
                let address = record.address(ringway_ifa_local, after: length),
                Int(header.ifa_prefixlen) == block.prefixLength && block.contains(IPAddress(address))
                    || address == block.address.ipv4
            else { continue }
            return (address, interfaceName(header.ifa_index))
        }
        return nil
    }

    private func interfaceName(_ index: UInt32) -> String {
        var name = [CChar](repeating: 0, count: Int(IF_NAMESIZE))
        guard if_indextoname(index, &name) != nil else { return "interface \(index)" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension NetlinkRecord {
    fileprivate func address(_ wanted: Int, after header: Int) -> IPv4Address? {
        guard let value = attribute(wanted, after: header), value.count == 4 else { return nil }
        return value.withUnsafeBytes { bytes in bytes.baseAddress.map { IPv4Address(loadingFrom: $0) } }
    }
}
