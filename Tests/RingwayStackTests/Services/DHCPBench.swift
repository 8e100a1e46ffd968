import RingwayWire
import Testing

@testable import RingwayStack

/// A client's message to be.
struct DHCPClientMessage {
    var type: DHCPMessageType?
    var mac = ServiceNetwork.guestMAC
    var xid: UInt32 = 0x1234_5678
    var flags: UInt16 = 0
    var ciaddr = IPv4Address.unspecified
    var giaddr = IPv4Address.unspecified
    var op = DHCPMessage.bootRequest
    var requested: IPv4Address?
    var server: IPv4Address?
    var leaseSeconds: UInt32?
    var identifier: [UInt8]?
    var hostName: String?
    var maximumSize: UInt16?

    init(_ type: DHCPMessageType?, mac: MACAddress = ServiceNetwork.guestMAC) {
        self.type = type
        self.mac = mac
    }

    var payload: [UInt8] {
        var length = 0
        let bytes = GuestFrame.written(1_024) { base in
            DHCPFields(op: op, xid: xid, flags: flags, ciaddr: ciaddr, giaddr: giaddr, chaddr: mac).write(to: base)
            var options = DHCPOptionWriter(base, capacity: 1_024)
            if let type { options.append(DHCPOption.messageType, type.rawValue) }
            if let requested { options.append(DHCPOption.requestedAddress, requested) }
            if let server { options.append(DHCPOption.serverIdentifier, server) }
            if let leaseSeconds { options.append(DHCPOption.leaseTime, leaseSeconds) }
            if let identifier {
                identifier.withUnsafeBytes { options.append(DHCPOption.clientIdentifier, $0) }
            }
            if let hostName { options.append(DHCPOption.hostName, hostName) }
            if let maximumSize { options.append(DHCPOption.maximumMessageSize, maximumSize) }
            length = options.finish()
        }
        return Array(bytes[..<length])
    }

    var frame: GuestFrame {
        .udp(
            from: TransportAddress(address: IPAddress(ciaddr), port: 68),
            to: TransportAddress(address: IPAddress(IPv4Address.broadcast), port: 67), payload)
    }
}

/// A server's answer, taken apart and checked to be a sound frame.
struct DHCPAnswer {
    let type: DHCPMessageType?
    let address: IPv4Address
    let xid: UInt32
    let mac: MACAddress
    let ciaddr: IPv4Address
    let length: Int
    let destination: IPv4Address
    let destinationMAC: MACAddress
    let options: [UInt8: [UInt8]]

    init(_ frame: GuestFrame) throws {
        let summary = try frame.summary()
        #expect(summary.kind == .udp)
        #expect(summary.sourcePort == 67)
        #expect(summary.destinationPort == 68)
        let payload = Array(frame.bytes[Int(summary.payloadOffset)...])
        destination = summary.destination.ipv4
        destinationMAC = try #require(frame.bytes.withUnsafeBytes { EthernetHeader($0)?.destination })
        length = payload.count
        var found: [UInt8: [UInt8]] = [:]
        (type, address, xid, mac, ciaddr) = try payload.withUnsafeBytes { bytes in
            let message = try #require(DHCPMessage(bytes))
            #expect(message.op == DHCPMessage.bootReply)
            return (message.messageType, message.yiaddr, message.xid, message.chaddr, message.ciaddr)
        }
        var offset = DHCPMessage.headerLength
        while offset < payload.count, payload[offset] != DHCPOption.end {
            let end = offset + 2 + Int(payload[offset + 1])
            found[payload[offset], default: []] += payload[offset + 2..<end]
            offset = end
        }
        #expect(offset < payload.count, "no end mark")
        options = found
    }

    func seconds(_ code: UInt8) -> UInt32? { options[code].map { $0.reduce(0) { $0 << 8 | UInt32($1) } } }

    func address(_ code: UInt8) -> IPv4Address? {
        options[code].flatMap { $0.count == 4 ? IPv4Address($0[0], $0[1], $0[2], $0[3]) : nil }
    }
}

/// A server, a clock, and clients that follow the protocol.
final class DHCPBench {
    static let second: UInt64 = 1_000_000_000

    private var server: DHCPServer
    var now: UInt64 = 1_000 * second

    init(_ plan: NetworkPlan, _ configuration: DHCPServer.Configuration = .init()) {
        server = DHCPServer(plan: plan, configuration: configuration)
    }

    var drops: ServiceDropCounts { server.drops }
    var counts: DHCPServer.Counts { server.counts }
    var leases: [DHCPLease] { server.activeLeases(now: now) }

    func reserve(_ address: IPv4Address, for mac: MACAddress, hostName: String = "") -> Bool {
        server.reserve(address, for: mac, hostName: hostName, now: now)
    }

    func setSearchDomains(_ domains: [String]) { server.setSearchDomains(domains) }

    func address(of mac: MACAddress) -> IPv4Address? { server.address(of: mac, now: now) }

    func send(_ frame: GuestFrame, capacity: Int = 1_500) throws -> DHCPAnswer? {
        let summary = try frame.summary()
        let reply = written(capacity: capacity) { room in
            frame.bytes.withUnsafeBytes { server.respond(to: $0, summary, now: now, into: room) }
        }
        return try reply.map { try DHCPAnswer($0) }
    }

    func send(_ message: DHCPClientMessage, capacity: Int = 1_500) throws -> DHCPAnswer? {
        try send(message.frame, capacity: capacity)
    }

    /// DISCOVER and REQUEST; the address that was confirmed.
    @discardableResult
    func acquire(
        _ mac: MACAddress = ServiceNetwork.guestMAC, requested: IPv4Address? = nil, identifier: [UInt8]? = nil,
        hostName: String? = nil
    ) throws -> IPv4Address? {
        var message = DHCPClientMessage(.discover, mac: mac)
        message.requested = requested
        message.identifier = identifier
        message.hostName = hostName
        guard let offer = try send(message) else { return nil }
        #expect(offer.type == .offer)
        message.type = .request
        message.requested = offer.address
        message.server = offer.address(DHCPOption.serverIdentifier)
        let answer = try #require(try send(message))
        #expect(answer.type == .ack)
        #expect(answer.address == offer.address)
        return answer.address
    }
}
