import Dispatch
import Glibc
import RingwayWire
import Synchronization

/// A nameserver on a loopback address that does what a test tells it to, by UDP and TCP on the same port.
final class ScriptedNameserver: Sendable {
    /// What a query is answered with: any number of messages, none for silence.
    typealias Script = @Sendable (_ query: [UInt8], _ isStream: Bool) -> [Reply]

    enum Reply: Sendable {
        case message([UInt8])
        /// A datagram from another socket, so from another port.
        case forged([UInt8])
        /// Closes the connection.
        case hangUp
    }

    struct Transports: OptionSet {
        let rawValue: Int
        static let datagram = Transports(rawValue: 1)
        static let stream = Transports(rawValue: 2)
    }

    let address: TransportAddress
    private let script: Script
    private let sockets: [Int32]
    private let connections = Mutex<[Int32]>([])
    private let asked = Mutex<[(query: [UInt8], isStream: Bool, port: UInt16)]>([])

    init(
        _ transports: Transports = [.datagram, .stream], on host: IPv4Address = .loopback, port: UInt16 = 0,
        script: @escaping Script
    ) throws {
        self.script = script
        let (opened, port) = try Self.openSockets(on: host, port: port)
        address = TransportAddress(address: IPAddress(host), port: port)
        // A transport that is not wanted is closed again, and so refuses.
        if !transports.contains(.datagram) { close(opened[0]) }
        if transports.contains(.stream) { listen(opened[1], 16) } else { close(opened[1]) }
        sockets = [
            transports.contains(.datagram) ? opened[0] : -1, transports.contains(.stream) ? opened[1] : -1,
        ]
        if sockets[0] >= 0 { work { self.serveDatagrams() } }
        if sockets[1] >= 0 { work { self.acceptConnections() } }
    }

    /// The queries that have come, each with the port it came from.
    var queries: [(query: [UInt8], isStream: Bool, port: UInt16)] { asked.withLock { $0 } }

    /// Connections that have been accepted.
    var connectionCount: Int { connections.withLock { $0.count } }

    /// Ends its threads, which keep it alive until then.
    func stop() {
        for descriptor in sockets where descriptor >= 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
        connections.withLock { for connection in $0 { shutdown(connection, Int32(SHUT_RDWR)) } }
    }

    private func work(_ body: @escaping @Sendable () -> Void) {
        DispatchQueue(label: "nameserver").async(execute: body)
    }

    private func serveDatagrams() {
        let descriptor = sockets[0]
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            var from = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &from) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
                }
            }
            // Zero bytes from nowhere is what a shut down socket reads.
            guard count > 0 else { return }
            let query = Array(buffer[..<count])
            asked.withLock { $0.append((query, false, UInt16(bigEndian: from.sin_port))) }
            for reply in script(query, false) {
                switch reply {
                case .message(let message):
                    _ = Self.with(&from) { sendto(descriptor, message, message.count, 0, $0, $1) }
                case .forged(let message):
                    let other = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
                    _ = Self.with(&from) { sendto(other, message, message.count, 0, $0, $1) }
                    close(other)
                case .hangUp:
                    break
                }
            }
        }
    }

    private func acceptConnections() {
        defer { close(sockets[1]) }
        while true {
            let connection = accept(sockets[1], nil, nil)
            guard connection >= 0 else { return }
            connections.withLock { $0.append(connection) }
            work { self.serve(connection) }
        }
    }

    private func serve(_ connection: Int32) {
        // Shut down and not closed: the number stays ours until the end, so `stop` cannot hit another descriptor.
        defer { shutdown(connection, Int32(SHUT_RDWR)) }
        while let length = Self.read(connection, 2),
            let query = Self.read(connection, Int(length[0]) << 8 | Int(length[1]))
        {
            asked.withLock { $0.append((query, true, 0)) }
            for reply in script(query, true) {
                guard case .message(let message) = reply else { return }
                let framed = [UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
                _ = send(connection, framed, framed.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// A datagram and a stream socket on the same port: the one wanted, or with zero a free one. That one lies below
    /// those the kernel gives out, so nobody gets it between one test's closing it and another program's opening it.
    static func openSockets(
        on host: IPv4Address = .loopback, port wanted: UInt16 = 0
    ) throws -> (sockets: [Int32], port: UInt16) {
        var error: Int32 = 0
        for _ in 0..<(wanted == 0 ? 100 : 1) {
            var opened: [Int32] = []
            let port = wanted == 0 ? UInt16.random(in: 20_000..<32_000) : wanted
            for type in [SOCK_DGRAM, SOCK_STREAM] {
                let descriptor = socket(AF_INET, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                opened.append(descriptor)
                var one: Int32 = 1
                setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
                var address = Self.socketAddress(host, port)
                guard Self.with(&address, { bind(descriptor, $0, $1) }) == 0 else {
                    error = errno
                    break
                }
                if opened.count == 2 { return (opened, port) }
            }
            for descriptor in opened { close(descriptor) }
        }
        throw TestFailure("bind: \(error)")
    }

    private static func read(_ descriptor: Int32, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.map { $0 + done }, count - done, 0)
            }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }

    private static func socketAddress(_ host: IPv4Address, _ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = host.rawValue.bigEndian
        return address
    }

    private static func with<Result>(
        _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
