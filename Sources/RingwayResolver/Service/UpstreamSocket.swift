internal import Glibc
internal import RingwaySystem

/// A UDP socket for queries to nameservers, one at a time.
///
/// Each query has a port of its own, although the socket is used again: `disconnect` gives the port back, and the next
/// `connect` makes the kernel choose another at random. A later answer to the earlier query finds no socket. That is as
/// safe as a new socket for each query (RFC 5452 §9), with about half the system calls.
final class UpstreamSocket: LoopMember {
    let family: Int32
    /// The attempt that uses the socket; `nil` while the socket is idle.
    var attempt: DatagramAttempt?

    private let descriptor: Descriptor
    private unowned let service: Service

    /// `nil`, with `errno` set, if the kernel or the limit of descriptors refuses.
    init?(family: Int32, service: Service) {
        guard let descriptor = Descriptor(family: family, type: SOCK_DGRAM, countedBy: service.descriptors) else {
            return nil
        }
        self.family = family
        self.descriptor = descriptor
        self.service = service
        super.init()
        // With this option the kernel also reports unreachable hosts and networks.
        if family == AF_INET {
            descriptor.setOption(level: Int32(IPPROTO_IP), name: IP_RECVERR, value: 1)
        } else {
            descriptor.setOption(level: Int32(IPPROTO_IPV6), name: IPV6_RECVERR, value: 1)
        }
        guard service.loop.register(self, descriptor: descriptor.rawValue, interest: .read) else { return nil }
    }

    /// Connects the socket to a nameserver of its family and sends a query. Returns false if there is no route, for
    /// example.
    func send(_ message: [UInt8], to nameserver: Nameserver) -> Bool {
        guard nameserver.withSocketAddress({ connect(descriptor.rawValue, $0, $1) }) == 0 else { return false }
        let sent = message.withUnsafeBytes {
            Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        return sent == message.count
    }

    /// Reads a datagram. Negative, with `errno` set, if there is none or an ICMP error came back.
    func receive(into scratch: UnsafeMutableRawBufferPointer) -> Int {
        recv(descriptor.rawValue, scratch.baseAddress, scratch.count, Int32(MSG_DONTWAIT))
    }

    /// Gives the port back. Returns false if the kernel refuses.
    func disconnect() -> Bool {
        var nowhere = sockaddr()
        nowhere.sa_family = sa_family_t(AF_UNSPEC)
        return connect(descriptor.rawValue, &nowhere, socklen_t(MemoryLayout<sockaddr>.size)) == 0
    }

    override func ready(_ events: EventLoop.Events) {
        if let attempt { return attempt.ready() }
        // No query uses the socket: the datagram or error came just before the socket's port was given back.
        service.sockets.discard(self)
    }

    func close() {
        service.loop.removeForClosing(self)
        descriptor.close()
    }
}
