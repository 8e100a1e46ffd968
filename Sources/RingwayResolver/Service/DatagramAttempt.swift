internal import Glibc
internal import RingwaySystem

/// One query sent to one nameserver by UDP, from a random port that no other query uses while this one waits.
///
/// The socket is connected, so it only accepts datagrams from the server's address, and ICMP errors about packets to
/// that address. With the random identifier this makes an answer hard to forge (RFC 5452 §9).
final class DatagramAttempt {
    /// Index in the exchange's list of nameservers.
    let server: Int

    private let identifier: UInt16
    private var socket: UpstreamSocket?
    private unowned let exchange: Exchange
    private let service: Service

    /// The most datagrams read per turn of the loop. More than one or two arrive only in a flood of forged answers.
    private static let datagramsPerTurn = 16

    enum Failure: Error {
        case unreachable
        case lacksDescriptors
    }

    init(_ query: Query, to nameserver: Nameserver, server: Int, exchange: Exchange, service: Service) throws(Failure) {
        let socket = try service.sockets.take(family: nameserver.family)
        self.server = server
        self.exchange = exchange
        self.service = service
        identifier = service.identifiers.next()
        guard socket.send(query.withIdentifier(identifier), to: nameserver) else {
            socket.close()
            throw .unreachable
        }
        self.socket = socket
        socket.attempt = self
    }

    /// Reads the socket's datagrams or its error.
    func ready() {
        for _ in 0..<Self.datagramsPerTurn {
            guard let socket else { return }
            let scratch = service.scratch
            let count = socket.receive(into: scratch)
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN {
                    // The socket is not used again, because its error queue keeps the error, which the next query
                    // would receive, too.
                    detach()?.close()
                    exchange.failed(server: server)
                }
                return
            }
            exchange.received(Array(scratch.prefix(count)), server: server, identifier: identifier)
        }
    }

    /// Gives the socket back, to be used by another query. Later answers to this query are ignored.
    func close() {
        if let socket = detach() { service.sockets.put(socket) }
    }

    private func detach() -> UpstreamSocket? {
        defer { socket = nil }
        socket?.attempt = nil
        return socket
    }
}
