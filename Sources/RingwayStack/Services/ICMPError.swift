public import RingwayModel
public import RingwayWire

/// Writes ICMP errors about packets of the guest (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3, RFC 4443).
///
/// The source of an error is the node that detected it: the gateway, or the router whose address the host's kernel
/// learned, so that a traceroute in the guest shows the same path as one on the host. The error quotes as much of the
/// guest's packet as fits an IP packet of 576 bytes (IPv4, RFC 1812 §4.3.2.3) or 1,280 bytes (IPv6, RFC 4443 §2.4
/// (c)). If the guest has left the packet's checksum to an offload, the incomplete checksum is quoted as it is.
public struct ICMPError: Sendable {
    /// The cause of an error, independent of the family.
    public enum Reason: Equatable, Sendable {
        /// No route.
        case networkUnreachable
        /// The host does not answer.
        case hostUnreachable
        /// The destination does not support the transport.
        case protocolUnreachable
        /// The port is closed.
        case portUnreachable
        /// Forbidden by policy.
        case administrativelyProhibited
        /// The packet exceeds the MTU of a link on the path.
        case packetTooBig(mtu: UInt32)
        /// The hop limit reached zero.
        case hopLimitExceeded
        /// Fragments were missing at the reassembly timeout.
        case reassemblyTimeExceeded
        /// An error as it was reported to the host, with the type and code of the packet's own family. `parameter` is
        /// the second half of the ICMP header, four bytes: an MTU, a pointer, or zero.
        case reported(type: UInt8, code: UInt8, parameter: UInt32)
    }

    /// The burst and the rate of errors: Linux's defaults (`icmp_msgs_burst`, `icmp_msgs_per_sec`).
    static var burst: UInt32 { 50 }
    static var perSecond: UInt32 { 1_000 }

    /// The buffer size that suffices for an error's frame.
    public static var frameLength: Int { EthernetHeader.length + lengthLimitIPv6 }

    static var lengthLimitIPv4: Int { 576 }
    static var lengthLimitIPv6: Int { 1_280 }

    /// Errors written.
    public private(set) var sent: UInt64 = 0
    /// Errors not written, by reason.
    public private(set) var drops = ServiceDropCounts()
    /// Limits the rate of errors.
    public var rate: TokenBucket

    private let gatewayMAC: MACAddress
    private let gatewayIPv4: IPv4Address
    private let gatewayIPv6: IPv6Address
    private let broadcastIPv4: IPv4Address

    /// The error writer of one network.
    public init(plan: NetworkPlan, now: UInt64 = 0) {
        rate = TokenBucket(capacity: Self.burst, perSecond: Self.perSecond, now: now)
        gatewayMAC = plan.gatewayMAC
        gatewayIPv4 = plan.gatewayIPv4
        gatewayIPv6 = plan.gatewayIPv6
        broadcastIPv4 = plan.broadcastIPv4
    }

    /// Writes an error about a frame whose bytes are available.
    ///
    /// - Parameters:
    ///   - reason: the cause.
    ///   - router: the address that reported it, of the packet's family; the gateway if `nil`.
    ///   - frame: the guest's ethernet frame, without virtio-net header.
    ///   - summary: the result of `FrameSummary.parse` for the frame.
    ///   - now: monotonic nanoseconds.
    ///   - error: the buffer for the error's ethernet frame; `frameLength` bytes suffice.
    /// - Returns: the length of the frame in bytes; zero if no error was written, for a reason counted in `drops`.
    public mutating func write(
        _ reason: Reason, from router: IPAddress? = nil, about frame: UnsafeRawBufferPointer,
        _ summary: FrameSummary, now: UInt64, into error: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard isAllowed(reason, about: frame, summary), let packet = Self.packet(in: frame, summary) else {
            return drop(.errorForbidden)
        }
        let message = start(
            reason, from: router, to: summary.source, summary.sourceMAC, quoting: packet.count, now: now, into: error)
        guard let message else { return 0 }
        message.quote.copyMemory(from: UnsafeRawBufferPointer(rebasing: packet[..<message.quote.count]))
        return finish(message)
    }

    /// Writes an error about a packet that was rebuilt, because its frame no longer exists.
    ///
    /// - Parameters:
    ///   - reason: the cause.
    ///   - router: the address that reported it, of the packet's family; the gateway if `nil`.
    ///   - packet: the rebuilt packet. Its source is the guest that the error is sent to.
    ///   - mac: the guest's ethernet address.
    ///   - now: monotonic nanoseconds.
    ///   - error: the buffer for the error's ethernet frame; `frameLength` bytes suffice.
    /// - Returns: the length of the frame in bytes; zero if no error was written, for a reason counted in `drops`.
    public mutating func write(
        _ reason: Reason, from router: IPAddress? = nil, about packet: FailedPacket, to mac: MACAddress, now: UInt64,
        into error: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard isReachable(packet.source),
            !isGroup(packet.destination) || Self.isPathMTU(reason) && !packet.source.isIPv4
        else { return drop(.errorForbidden) }
        let message = start(
            reason, from: router, to: packet.source, mac, quoting: packet.packetLength, now: now, into: error)
        guard let message else { return 0 }
        packet.write(to: message.quote)
        return finish(message)
    }

    // MARK: Packets about which no error may be sent

    private func isAllowed(_ reason: Reason, about frame: UnsafeRawBufferPointer, _ summary: FrameSummary) -> Bool {
        guard isReachable(summary.source), let ethernet = EthernetHeader(frame) else { return false }
        // RFC 4443 §2.4 (e.3): path MTU discovery must work for multicast, too.
        if isGroup(summary.destination) || ethernet.destination.isMulticast {
            guard Self.isPathMTU(reason), summary.isIPv6 else { return false }
        }
        switch summary.kind {
        case .arp:
            return false
        case .fragment:
            return Fragment(frame, summary)?.offset == 0
        case .icmp:
            guard let message = summary.checkedMessage(in: frame), let header = ICMPv4Header(message) else {
                return false
            }
            return !Self.isErrorIPv4(header.type)
        case .icmpv6:
            guard let message = summary.checkedMessage(in: frame), let header = ICMPv6Header(message) else {
                return false
            }
            // ICMPv6 errors have types below 128 (RFC 4443 §2.1); 137 is redirect.
            return header.type >= 128 && header.type != 137
        case .tcp, .udp, .otherProtocol:
            return true
        }
    }

    /// Whether an error can be sent to the packet's source: a unicast address that is neither loopback nor the
    /// gateway's.
    private func isReachable(_ source: IPAddress) -> Bool {
        !source.isUnspecified && !isGroup(source) && !source.isLoopback
            && source != IPAddress(gatewayIPv4) && source != IPAddress(gatewayIPv6)
    }

    private func isGroup(_ address: IPAddress) -> Bool {
        address.isMulticast || address.isIPv4 && (address.ipv4.isBroadcast || address.ipv4 == broadcastIPv4)
    }

    /// Whether an ICMP type is an error: unreachable, source quench, redirect, time exceeded, parameter problem.
    private static func isErrorIPv4(_ type: UInt8) -> Bool {
        switch type {
        case 3, 4, 5, 11, 12: true
        default: false
        }
    }

    private static func isPathMTU(_ reason: Reason) -> Bool {
        switch reason {
        case .packetTooBig: true
        case .reported(let type, _, _): type == ICMPv6Header.packetTooBig
        default: false
        }
    }

    private static func packet(in frame: UnsafeRawBufferPointer, _ summary: FrameSummary) -> UnsafeRawBufferPointer? {
        guard let bytes = summary.checkedPacket(in: frame) else { return nil }
        let length: Int
        if summary.isIPv6 {
            guard let header = IPv6Header(quoted: bytes) else { return nil }
            length = IPv6Header.length + header.payload.count
        } else {
            guard let header = IPv4Header(quoted: bytes) else { return nil }
            length = header.headerLength + header.payload.count
        }
        return UnsafeRawBufferPointer(rebasing: bytes[..<length])
    }

    // MARK: Writing

    /// An error whose headers are written, before the packet is quoted and the checksum set.
    private struct Message {
        let packet: PacketHeaders
        let icmp: UnsafeMutableRawBufferPointer

        var quote: UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: icmp[ICMPv4Header.length...])
        }
    }

    private mutating func start(
        _ reason: Reason, from router: IPAddress?, to guest: IPAddress, _ mac: MACAddress, quoting packetLength: Int,
        now: UInt64, into frame: UnsafeMutableRawBufferPointer
    ) -> Message? {
        let source = router ?? (guest.isIPv4 ? IPAddress(gatewayIPv4) : IPAddress(gatewayIPv6))
        guard source.isIPv4 == guest.isIPv4, !source.isMulticast, !source.isUnspecified else {
            drops.count(.errorForbidden)
            return nil
        }
        let headers = PacketHeaders.ipLength(isIPv4: guest.isIPv4) + ICMPv4Header.length
        let limit = guest.isIPv4 ? Self.lengthLimitIPv4 : Self.lengthLimitIPv6
        let packet = PacketHeaders(
            from: source, to: guest, protocolNumber: guest.isIPv4 ? IPProtocol.icmp : IPProtocol.icmpv6,
            payloadLength: ICMPv4Header.length + min(packetLength, limit - headers))
        guard frame.count >= packet.ethernetLength else {
            drops.count(.replyDoesNotFit)
            return nil
        }
        guard rate.take(now: now) else {
            drops.count(.errorRateLimited)
            return nil
        }
        guard let icmp = packet.start(in: frame, from: gatewayMAC, to: mac), let base = icmp.baseAddress else {
            return nil
        }
        (guest.isIPv4 ? reason.fieldsIPv4 : reason.fieldsIPv6).write(to: base)
        return Message(packet: packet, icmp: icmp)
    }

    private mutating func finish(_ message: Message) -> Int {
        message.packet.sealICMP(message.icmp)
        sent &+= 1
        return message.packet.ethernetLength
    }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}
