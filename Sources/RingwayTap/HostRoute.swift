internal import CRingway
internal import Glibc
public import RingwayModel

/// A block of addresses that the caller's network namespace routes through an interface, or that is local there.
public struct HostRoute: Hashable, Sendable {
    public let block: CIDRBlock
    public let interface: String

    /// A block and its interface.
    public init(_ block: CIDRBlock, interface: String) {
        self.block = block
        self.interface = interface
    }

    /// Whether the route's block and `other` have addresses in common.
    public func overlaps(_ other: CIDRBlock) -> Bool {
        block.contains(other.networkAddress) || other.contains(block.networkAddress)
    }

    /// The number of routes at which `all` stops reading.
    private static var maximumCount: Int { 65_536 }
    /// The shortest prefix length of a listed route. Routes with shorter ones, such as the 0.0.0.0/1 and 128.0.0.0/1
    /// of VPNs, count as default routes.
    private static var shortestPrefix: Int { 8 }

    /// The routes of every table, and the namespace's own addresses; empty if the kernel does not list them. Default
    /// routes, loopback and link-local destinations, and unicast routes through loopback are omitted. A multipath
    /// route has the interface of its first next hop.
    public static func all(ipv4: Bool) -> [HostRoute] {
        let descriptor = ringway_netlink_open()
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var header = rtmsg()
        header.rtm_family = UInt8(ipv4 ? AF_INET : AF_INET6)
        let dump = 0x300  // NLM_F_DUMP
        let request = NetlinkMessage("list the routes", type: Int(RTM_GETROUTE), flags: dump, header: header).bytes
        guard send(descriptor, request, request.count, 0) == request.count else { return [] }
        var routes: [HostRoute] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return routes }
            let isOver = buffer.withUnsafeBytes {
                read(UnsafeRawBufferPointer(rebasing: $0[..<count]), into: &routes)
            }
            if isOver || routes.count >= maximumCount { return routes }
        }
    }

    /// Appends the routes in a netlink datagram to `routes`.
    ///
    /// - Returns: true if the list ends with this datagram.
    static func read(_ datagram: UnsafeRawBufferPointer, into routes: inout [HostRoute]) -> Bool {
        var offset = 0
        while offset + NetlinkMessage.prologueLength <= datagram.count {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            guard length >= NetlinkMessage.prologueLength, length <= datagram.count - offset else { return true }
            let type = Int(datagram.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self))
            guard type == Int(RTM_NEWROUTE) else { return true }
            let body = datagram[offset + NetlinkMessage.prologueLength..<offset + length]
            if let route = route(UnsafeRawBufferPointer(rebasing: body)) { routes.append(route) }
            offset += (length + 3) & ~3
        }
        return false
    }

    /// Parses the body of a message, `rtmsg · attributes`. Returns `nil` if it is malformed or a route that `all`
    /// omits.
    private static func route(_ message: UnsafeRawBufferPointer) -> HostRoute? {
        let headerLength = MemoryLayout<rtmsg>.size
        guard message.count >= headerLength else { return nil }
        let header = message.loadUnaligned(as: rtmsg.self)
        let isIPv4 = header.rtm_family == UInt8(AF_INET)
        guard header.rtm_type == UInt8(RTN_UNICAST) || header.rtm_type == UInt8(RTN_LOCAL),
            Int(header.rtm_dst_len) >= shortestPrefix, isIPv4 || header.rtm_family == UInt8(AF_INET6)
        else { return nil }
        var destination: IPAddress?
        var index: UInt32 = 0
        var offset = headerLength
        while offset + 4 <= message.count {
            let length = Int(message.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let type = Int(message.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self))
            guard length >= 4, length <= message.count - offset else { return nil }
            let value = UnsafeRawBufferPointer(rebasing: message[offset + 4..<offset + length])
            if type == Int(ringway_rta_destination) { destination = address(value, isIPv4: isIPv4) }
            if type == Int(ringway_rta_interface), value.count == 4 { index = value.loadUnaligned(as: UInt32.self) }
            // A list of `rtnexthop`: length, flags and weight in four bytes, the interface, attributes.
            if type == Int(ringway_rta_multipath), value.count >= 8 {
                index = value.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            }
            offset += (length + 3) & ~3
        }
        guard let destination, let block = CIDRBlock(address: destination, prefixLength: Int(header.rtm_dst_len)),
            index != 0, index != InterfaceConfiguration.loopbackIndex || header.rtm_type == UInt8(RTN_LOCAL),
            !destination.isLoopback, !destination.isLinkLocal
        else { return nil }
        return HostRoute(block, interface: name(of: index))
    }

    private static func address(_ bytes: UnsafeRawBufferPointer, isIPv4: Bool) -> IPAddress? {
        guard bytes.count == (isIPv4 ? 4 : 16) else { return nil }
        if isIPv4 { return IPAddress(IPv4Address(rawValue: bytes.reduce(0) { $0 << 8 | UInt32($1) })) }
        return IPAddress(
            high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
            low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    private static func name(of index: UInt32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            guard let base = buffer.baseAddress, if_indextoname(index, base) != nil else { return "interface \(index)" }
            return String(cString: base)
        }
    }
}
