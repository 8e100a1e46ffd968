internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem
internal import RingwayWire

/// Sends ICMP port unreachable to clients of published UDP ports, as the host's kernel does for a closed port.
///
/// This needs a raw socket, and so CAP_NET_RAW; without it clients get no reply. There is one socket for each address
/// family, opened on first use.
struct RefusalSocket: ~Copyable {
    private enum State {
        case unopened
        case open(Int32)
        /// The process may not open the socket, or the host lacks the address family.
        case denied
    }

    private var ipv4 = State.unopened
    private var ipv6 = State.unopened

    init() {}

    deinit {
        for state in [ipv4, ipv6] {
            if case .open(let descriptor) = state { Endpoint.close(descriptor, reset: false) }
        }
    }

    /// Sends "port unreachable" about a datagram from `client` to `port`. False if it cannot be sent, for example for
    /// lack of CAP_NET_RAW.
    mutating func send(to client: TransportAddress, about port: TransportAddress) -> Bool {
        guard client.address.isIPv4 == port.address.isIPv4 else { return false }
        let descriptor: Int32
        if client.address.isIPv4 {
            descriptor = Self.open(&ipv4, AF_INET, Int32(IPPROTO_ICMP))
        } else {
            descriptor = Self.open(&ipv6, AF_INET6, Int32(IPPROTO_ICMPV6))
        }
        guard descriptor >= 0 else { return false }
        var message = InlineArray<7, UInt64>(repeating: 0)
        // A raw socket's address has no port.
        var name = SocketAddress(TransportAddress(address: client.address, port: 0))
        let nameLength = name.length
        var control = InlineArray<8, UInt64>(repeating: 0)
        return withUnsafeMutableBytes(of: &message) { bytes in
            withUnsafeMutablePointer(to: &name) { name in
                withUnsafeMutableBytes(of: &control) { control in
                    guard let base = bytes.baseAddress, let room = control.baseAddress else { return false }
                    let count = Self.write(to: base, client, port)
                    var slice = iovec(iov_base: base, iov_len: count)
                    return withUnsafeMutablePointer(to: &slice) { slice in
                        var header = msghdr()
                        header.msg_name = UnsafeMutableRawPointer(SocketAddress.pointer(to: name))
                        header.msg_namelen = nameLength
                        header.msg_iov = slice
                        header.msg_iovlen = 1
                        if !port.address.isUnspecified {
                            // The source of the ICMP message is the address to which the client sent its datagram.
                            header.msg_control = room
                            header.msg_controllen = Int(
                                ringway_write_source_control(
                                    room, port.address.isIPv4, port.address.high, port.address.low))
                        }
                        return HostCalls.sendMessage(descriptor, &header, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                            == count
                    }
                }
            }
        }
    }

    /// Writes the ICMP error. It quotes only the IP and UDP headers of the client's datagram, because the payload is
    /// no longer available. RFC 792 requires no more; RFC 4443 §3.1 would have the payload quoted, too. The length
    /// and checksum of the datagram are also unknown, so the quoted ones are wrong; no kernel checks them.
    private static func write(
        to base: UnsafeMutableRawPointer, _ client: TransportAddress, _ port: TransportAddress
    ) -> Int {
        let ipv4 = client.address.isIPv4
        let quoted = base + ICMPv4Header.length
        ICMPFields(
            type: ipv4 ? ICMPv4Header.destinationUnreachable : ICMPv6Header.destinationUnreachable,
            code: ipv4 ? ICMPv4Header.portUnreachable : ICMPv6Header.portUnreachable
        ).write(to: base)
        if ipv4 {
            IPv4Fields(
                source: client.address.ipv4, destination: port.address.ipv4, protocolNumber: IPProtocol.udp,
                payloadLength: UDPHeader.length
            ).write(to: quoted)
        } else {
            IPv6Fields(
                source: client.address.ipv6, destination: port.address.ipv6, nextHeader: IPProtocol.udp,
                payloadLength: UDPHeader.length
            ).write(to: quoted)
        }
        let headerLength = ipv4 ? IPv4Header.minimumLength : IPv6Header.length
        UDPFields(sourcePort: client.port, destinationPort: port.port, payloadLength: 0)
            .write(to: quoted + headerLength)
        let count = ICMPv4Header.length + headerLength + UDPHeader.length
        if ipv4 {
            let checksum = Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(start: base, count: count)))
            base.storeBytes(of: checksum, toByteOffset: ICMPv4Header.checksumOffset, as: UInt16.self)
        }
        // The kernel computes ICMPv6 checksums (RFC 3542 §3.1).
        return count
    }

    private static func open(_ state: inout State, _ family: Int32, _ transport: Int32) -> Int32 {
        switch state {
        case .open(let descriptor): return descriptor
        case .denied: return -1
        case .unopened:
            let descriptor = Endpoint.open(family: family, type: Int32(SOCK_RAW.rawValue), transport: transport)
            guard descriptor >= 0 else {
                // Other failures, such as a lack of descriptors, may be temporary.
                if descriptor == -EPERM || descriptor == -EACCES || descriptor == -EAFNOSUPPORT { state = .denied }
                return -1
            }
            // Nothing is read from the socket, so it should queue nothing.
            HostCalls.passNothing(descriptor, ipv4: family == AF_INET)
            state = .open(descriptor)
            return descriptor
        }
    }
}
