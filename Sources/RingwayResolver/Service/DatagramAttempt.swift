internal import Glibc
internal import RingwaySystem

/// One query sent to one nameserver by UDP, from its own socket and port.
///
/// The kernel chooses a random port; as the socket is connected it only accepts datagrams from the server's address,
/// and ICMP errors about it. With the random identifier this makes an answer hard to forge (RFC 5452 §9).
final class DatagramAttempt: LoopMember {
    /// Index in the exchange's list of nameservers.
    let server: Int

    private let identifier: UInt16
    private let descriptor: Descriptor
    private unowned let exchange: Exchange
    private let service: Service

    /// The most datagrams read per turn; only a flood of forged answers exceeds one or two.
    private static let datagramsPerTurn = 16

    enum Failure: Error {
        case unreachable
        case lacksDescriptors
    }

    init(_ query: Query, to nameserver: Nameserver, server: Int, exchange: Exchange, service: Service) throws(Failure) {
        guard
            let descriptor = Descriptor(
                family: nameserver.family, type: SOCK_DGRAM, countedBy: exchange.descriptors)
        else {
            throw errno == EAFNOSUPPORT ? .unreachable : .lacksDescriptors
        }
        self.descriptor = descriptor
        self.server = server
        self.exchange = exchange
        self.service = service
        identifier = service.identifiers.next()
        // With this option the kernel also reports unreachable hosts and networks.
        if nameserver.family == AF_INET {
            descriptor.setOption(level: Int32(IPPROTO_IP), name: IP_RECVERR, value: 1)
        } else {
            descriptor.setOption(level: Int32(IPPROTO_IPV6), name: IPV6_RECVERR, value: 1)
        }
        guard nameserver.withSocketAddress({ connect(descriptor.rawValue, $0, $1) }) == 0 else { throw .unreachable }
        let message = query.withIdentifier(identifier)
        let sent = message.withUnsafeBytes {
            Glibc.send(descriptor.rawValue, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        guard sent == message.count else { throw .unreachable }
        super.init()
        guard service.loop.register(self, descriptor: descriptor.rawValue, interest: .read) else {
            throw .lacksDescriptors
        }
    }

    override func ready(_ events: EventLoop.Events) {
        for _ in 0..<Self.datagramsPerTurn {
            guard descriptor.isOpen else { return }
            let scratch = service.scratch
            let count = recv(descriptor.rawValue, scratch.baseAddress, scratch.count, Int32(MSG_DONTWAIT))
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN {
                    close()
                    exchange.failed(server: server)
                }
                return
            }
            exchange.received(Array(scratch.prefix(count)), server: server, identifier: identifier)
        }
    }

    /// Closes the socket; later answers are ignored.
    func close() {
        service.loop.removeForClosing(self)
        descriptor.close()
    }
}
