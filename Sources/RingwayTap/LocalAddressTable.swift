internal import CRingway
internal import Glibc
public import RingwayModel
public import RingwaySystem

/// The host's own addresses: the destinations of all local and anycast routes, which include the interfaces'
/// addresses and loopback. `blocks` reads them; `descriptor` and `takeChanges` report changes in the network
/// namespace of the creating thread.
public final class LocalAddressTable: Sendable {
    /// A non-blocking netlink socket, readable when an address or a route has been added or removed.
    public let descriptor: Int32

    public init() throws(SystemError) {
        descriptor = ringway_netlink_follow_addresses()
        guard descriptor >= 0 else { throw SystemError(cannot: "follow the host's addresses") }
    }

    deinit { close(descriptor) }

    /// Reads the kernel's notifications; returns whether an address may have been added or removed.
    public func takeChanges() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 32_768, alignment: 8) { buffer -> Bool in
            var hasChanged = false
            while true {
                let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
                if count > 0 {
                    let datagram = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
                    hasChanged = hasChanged || Self.isAboutAddresses(datagram)
                } else if count < 0, errno == EINTR {
                    continue
                } else if count < 0, errno == ENOBUFS {
                    // Notifications were lost, so an address may have changed.
                    hasChanged = true
                } else {
                    return hasChanged
                }
            }
        }
    }

    /// Whether the netlink datagram reports a change of an address, or of a local or anycast route. Changes of other
    /// routes are frequent and do not count.
    static func isAboutAddresses(_ datagram: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset + NetlinkMessage.prologueLength <= datagram.count {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            guard length >= NetlinkMessage.prologueLength, length <= datagram.count - offset else { return false }
            switch Int(datagram.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)) {
            case Int(RTM_NEWADDR), Int(RTM_DELADDR): return true
            case Int(RTM_NEWROUTE), Int(RTM_DELROUTE):
                let body = datagram[offset + NetlinkMessage.prologueLength..<offset + length]
                if body.count >= MemoryLayout<rtmsg>.size,
                    isLocal(UnsafeRawBufferPointer(rebasing: body).loadUnaligned(as: rtmsg.self))
                {
                    return true
                }
            default: break
            }
            offset += (length + 3) & ~3
        }
        return false
    }

    private static func isLocal(_ route: rtmsg) -> Bool {
        route.rtm_type == UInt8(RTN_LOCAL) || route.rtm_type == UInt8(RTN_ANYCAST)
    }

    /// All current addresses in the calling thread's network namespace.
    public func blocks() throws(SystemError) -> [CIDRBlock] {
        var blocks: [CIDRBlock] = []
        for family in [AF_INET, AF_INET6] {
            for type in [RTN_LOCAL, RTN_ANYCAST] { blocks += try Self.blocks(family, UInt8(type)) }
        }
        return blocks
    }

    /// The addresses of one family and route type. The kernel filters by type if it can (Linux 4.20); otherwise it
    /// lists all routes.
    private static func blocks(_ family: Int32, _ type: UInt8) throws(SystemError) -> [CIDRBlock] {
        var header = rtmsg()
        header.rtm_family = UInt8(family)
        header.rtm_type = type
        var socket = try NetlinkSocket(listsStrictly: true)
        let request = NetlinkMessage(
            "list the host's addresses", type: RTM_GETROUTE, flags: ringway_netlink_dump, header: header)
        return try socket.list(request).compactMap { record in
            guard let header = record.header(as: rtmsg.self), header.rtm_type == type,
                header.rtm_family == UInt8(family)
            else { return nil }
            // A route without a destination is a default route.
            let value = record.attribute(ringway_rta_destination, after: MemoryLayout<rtmsg>.size)
            guard let address = address(value ?? ArraySlice(repeating: 0, count: family == AF_INET ? 4 : 16))
            else { return nil }
            return CIDRBlock(address: address, prefixLength: Int(header.rtm_dst_len))
        }
    }

    private static func address(_ bytes: ArraySlice<UInt8>) -> IPAddress? {
        switch bytes.count {
        case 4: IPAddress(IPv4Address(rawValue: bytes.reduce(0) { $0 << 8 | UInt32($1) }))
        case 16:
            IPAddress(
                high: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: nil
        }
    }
}
