import RingwayWire
import Testing

@testable import RingwayStack

/// Not the view of that name that reads what such a packet writes.

/// RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3, RFC 4443.
@Suite("ICMP errors")
struct ICMPErrorTests {
    let plan: NetworkPlan
    let guest = TransportAddress(address: IPAddress(ServiceNetwork.guestIPv4), port: 40_000)
    let guest6 = TransportAddress(address: IPAddress(ServiceNetwork.guestIPv6), port: 40_000)
    let server = TransportAddress(address: IPAddress(ServiceNetwork.outside), port: 53)
    let server6 = TransportAddress(address: IPAddress(ServiceNetwork.outsideIPv6), port: 53)

    init() throws { plan = try ServiceNetwork.plan() }

    private func error(
        _ reason: ICMPError.Reason, from router: IPAddress? = nil, about frame: GuestFrame,
        _ errors: inout ICMPError, now: UInt64 = 0, capacity: Int = 2_048
    ) throws -> GuestFrame? {
        let summary = try frame.summary()
        return written(capacity: capacity) { room in
            frame.bytes.withUnsafeBytes {
                errors.write(reason, from: router, about: $0, summary, now: now, into: room)
            }
        }
    }

    private func isSilent(_ reason: ICMPError.Reason = .portUnreachable, about frame: GuestFrame) throws -> Bool {
        var errors = ICMPError(plan: plan)
        let reply = try error(reason, about: frame, &errors)
        #expect(reply != nil || errors.drops[.errorForbidden] == 1)
        return reply == nil
    }

    @Test func `quotes the packet that did not arrive`() throws {
        var errors = ICMPError(plan: plan)
        let original = GuestFrame.udp(from: guest, to: server, [1, 2, 3, 4])
        let reply = try #require(try error(.portUnreachable, about: original, &errors))
        let summary = try reply.summary()
        #expect(summary.kind == .icmp)
        #expect(summary.source == IPAddress(plan.gatewayIPv4))
        #expect(summary.destination == guest.address)
        #expect(Array(reply.bytes[34..<36]) == [3, 3])
        #expect(Array(reply.bytes[42...]) == Array(original.bytes[14...]))
        #expect(errors.sent == 1)
    }

    @Test func `comes from the router that reported it`() throws {
        var errors = ICMPError(plan: plan)
        let router = IPAddress(IPv4Address(203, 0, 113, 9))
        let original = GuestFrame.udp(from: guest, to: server, [])
        let reply = try #require(try error(.hopLimitExceeded, from: router, about: original, &errors))
        #expect(try reply.summary().source == router)
        #expect(Array(reply.bytes[34..<36]) == [11, 0])
    }

    @Test func `is at most 576 bytes over IPv4`() throws {
        var errors = ICMPError(plan: plan)
        let original = GuestFrame.udp(from: guest, to: server, [UInt8](repeating: 7, count: 1_400))
        let reply = try #require(try error(.hostUnreachable, about: original, &errors))
        #expect(reply.bytes.count == 14 + 576)
        #expect(Array(reply.bytes[42...]) == Array(original.bytes[14..<14 + 548]))
        _ = try reply.summary()
    }

    @Test func `is at most 1280 bytes over IPv6`() throws {
        var errors = ICMPError(plan: plan)
        let original = GuestFrame.udp(from: guest6, to: server6, [UInt8](repeating: 7, count: 1_400))
        let reply = try #require(try error(.portUnreachable, about: original, &errors))
        #expect(reply.bytes.count == 14 + 1_280)
        #expect(reply.bytes.count == ICMPError.frameLength)
        #expect(Array(reply.bytes[54..<56]) == [1, 4])
        #expect(try reply.summary().source == IPAddress(plan.gatewayIPv6))
    }

    @Test func `does not quote ethernet padding`() throws {
        var errors = ICMPError(plan: plan)
        var original = GuestFrame.udp(from: guest, to: server, [1])
        original.bytes += [UInt8](repeating: 0, count: 17)
        let reply = try #require(try error(.portUnreachable, about: original, &errors))
        #expect(reply.bytes.count == 14 + 20 + 8 + 29)
    }

    struct Number: Sendable, CustomTestStringConvertible {
        let reason: ICMPError.Reason
        let v4: [UInt8]
        let v6: [UInt8]
        var testDescription: String { "\(reason)" }
    }

    @Test(
        "has each family's numbers",
        arguments: [
            Number(reason: .networkUnreachable, v4: [3, 0], v6: [1, 0]),
            Number(reason: .hostUnreachable, v4: [3, 1], v6: [1, 3]),
            Number(reason: .protocolUnreachable, v4: [3, 2], v6: [4, 1]),
            Number(reason: .portUnreachable, v4: [3, 3], v6: [1, 4]),
            Number(reason: .administrativelyProhibited, v4: [3, 13], v6: [1, 1]),
            Number(reason: .packetTooBig(mtu: 1_300), v4: [3, 4], v6: [2, 0]),
            Number(reason: .hopLimitExceeded, v4: [11, 0], v6: [3, 0]),
            Number(reason: .reassemblyTimeExceeded, v4: [11, 1], v6: [3, 1]),
            Number(reason: .reported(type: 3, code: 10, parameter: 0), v4: [3, 10], v6: [3, 10]),
        ])
    func numbers(_ expected: Number) throws {
        var errors = ICMPError(plan: plan)
        let v4 = try #require(try error(expected.reason, about: .udp(from: guest, to: server, []), &errors))
        let v6 = try #require(try error(expected.reason, about: .udp(from: guest6, to: server6, []), &errors))
        #expect(Array(v4.bytes[34..<36]) == expected.v4)
        #expect(Array(v6.bytes[54..<56]) == expected.v6)
        if case .packetTooBig = expected.reason {
            #expect(Array(v4.bytes[38..<42]) == [0, 0, 5, 20])
            #expect(Array(v6.bytes[58..<62]) == [0, 0, 5, 20])
        }
        _ = try v4.summary()
        _ = try v6.summary()
    }

    @Test("is never about an ICMP error", arguments: [UInt8(3), 4, 5, 11, 12])
    func neverAboutErrors(type: UInt8) throws {
        #expect(try isSilent(about: .icmpv4(type: type, to: ServiceNetwork.outside, [0, 0, 0, 0])))
    }

    @Test("is never about an ICMPv6 error or a redirect", arguments: [UInt8(1), 2, 3, 4, 100, 127, 137])
    func neverAboutErrorsV6(type: UInt8) throws {
        let message = GuestFrame.written(48) { ICMPFields(type: type).write(to: $0) }
        #expect(try isSilent(about: .icmpv6(message, to: ServiceNetwork.outsideIPv6)))
    }

    @Test func `may be about an echo request`() throws {
        #expect(try !isSilent(.hopLimitExceeded, about: .icmpv4(type: 8, to: ServiceNetwork.outside)))
        let message = GuestFrame.written(8) { ICMPFields(type: 128).write(to: $0) }
        #expect(try !isSilent(.hopLimitExceeded, about: .icmpv6(message, to: ServiceNetwork.outsideIPv6)))
    }

    @Test func `is never about what went to a group or everybody`() throws {
        let targets: [IPv4Address] = [IPv4Address(224, 0, 0, 251), .broadcast, plan.broadcastIPv4]
        for target in targets {
            let address = TransportAddress(address: IPAddress(target), port: 5_353)
            #expect(try isSilent(about: .udp(from: guest, to: address, [])))
            #expect(try isSilent(.packetTooBig(mtu: 1_280), about: .udp(from: guest, to: address, [])))
        }
        let group = TransportAddress(address: IPAddress(IPv6Address.allNodes), port: 5_353)
        #expect(try isSilent(about: .udp(from: guest6, to: group, [])))
        var frame = GuestFrame.udp(from: guest, to: server, [])
        frame.bytes.replaceSubrange(0..<6, with: [UInt8](repeating: 0xFF, count: 6))
        #expect(try isSilent(about: frame))
    }

    @Test func `says packet too big even of a group over IPv6`() throws {
        let group = TransportAddress(address: IPAddress(IPv6Address(high: 0xFF0E << 48, low: 9)), port: 5_000)
        #expect(try !isSilent(.packetTooBig(mtu: 1_280), about: .udp(from: guest6, to: group, [])))
    }

    @Test func `is never sent to nobody, everybody or the gateway`() throws {
        for source in [IPv4Address.unspecified, plan.broadcastIPv4, plan.gatewayIPv4] {
            let sender = TransportAddress(address: IPAddress(source), port: 1)
            #expect(try isSilent(about: .udp(from: sender, to: server, [])))
        }
    }

    @Test func `is about a first fragment, never about a later one`() throws {
        let payload = [UInt8](repeating: 1, count: 64)
        for offset in [0, 64] {
            let header = GuestFrame.written(20) {
                IPv4Fields(
                    source: ServiceNetwork.guestIPv4, destination: ServiceNetwork.outside, protocolNumber: 17,
                    payloadLength: 64, dontFragment: false, moreFragments: true, fragmentOffset: offset
                ).write(to: $0)
            }
            let frame = GuestFrame(EtherType.ipv4, header + payload)
            #expect(try isSilent(.hopLimitExceeded, about: frame) == (offset > 0))
        }
    }

    @Test func `is never about ARP`() throws {
        #expect(try isSilent(about: .arp(sender: ServiceNetwork.guestIPv4, target: plan.gatewayIPv4)))
    }

    @Test func `does not mix families`() throws {
        var errors = ICMPError(plan: plan)
        let original = GuestFrame.udp(from: guest, to: server, [])
        #expect(try error(.hopLimitExceeded, from: server6.address, about: original, &errors) == nil)
        #expect(errors.drops[.errorForbidden] == 1)
    }

    @Test func `comes in a burst, then at a rate`() throws {
        var errors = ICMPError(plan: plan)
        let original = GuestFrame.udp(from: guest, to: server, [])
        for _ in 0..<200 { _ = try error(.portUnreachable, about: original, &errors) }
        #expect(errors.sent == UInt64(ICMPError.burst))
        #expect(errors.drops[.errorRateLimited] == 200 - UInt64(ICMPError.burst))
        #expect(try error(.portUnreachable, about: original, &errors, now: 1_000_000) != nil)
        #expect(try error(.portUnreachable, about: original, &errors, now: 1_000_000) == nil)
    }

    @Test func `that does not fit costs no token`() throws {
        var errors = ICMPError(plan: plan)
        let original = GuestFrame.udp(from: guest, to: server, [])
        #expect(try error(.portUnreachable, about: original, &errors, capacity: 69) == nil)
        #expect(errors.drops[.replyDoesNotFit] == 1)
        #expect(try error(.portUnreachable, about: original, &errors, capacity: 70) != nil)
    }

    // MARK: From what is known

    private func error(
        _ reason: ICMPError.Reason, from router: IPAddress, about packet: FailedPacket
    ) -> GuestFrame? {
        var errors = ICMPError(plan: plan)
        return written {
            errors.write(reason, from: router, about: packet, to: ServiceNetwork.guestMAC, now: 0, into: $0)
        }
    }

    @Test func `quotes a datagram from addresses, ports and payload as it was`() throws {
        let payload = (0..<100).map { UInt8($0) }
        for (source, destination) in [(guest, server), (guest6, server6)] {
            let reply = try payload.withUnsafeBytes { bytes in
                let packet = try #require(FailedPacket(udpFrom: source, to: destination, payload: bytes))
                return try #require(error(.portUnreachable, from: destination.address, about: packet))
            }
            let summary = try reply.summary()
            #expect(summary.destination == source.address)
            #expect(summary.source == destination.address)
            // The quotation is a whole packet and parses as what the guest sent, checksums included.
            let start = Int(summary.payloadOffset)
            let etherType = source.address.isIPv4 ? EtherType.ipv4 : EtherType.ipv6
            let quoted = GuestFrame(etherType, Array(reply.bytes[start...]))
            let original = try quoted.summary()
            #expect(original.kind == .udp)
            #expect(original.sourcePort == 40_000)
            #expect(original.destinationPort == 53)
            #expect(original.hopLimit == 1)
            #expect(Array(quoted.bytes[Int(original.payloadOffset)...]) == payload)
        }
    }

    @Test func `quotes an echo request as it was`() throws {
        let data: [UInt8] = [9, 8, 7]
        for (source, destination) in [(guest, server), (guest6, server6)] {
            let reply = try data.withUnsafeBytes { bytes in
                let packet = try #require(
                    FailedPacket(
                        echoFrom: source.address, to: destination.address, identifier: 77, sequence: 3,
                        payload: bytes))
                return try #require(error(.hopLimitExceeded, from: destination.address, about: packet))
            }
            let etherType = source.address.isIPv4 ? EtherType.ipv4 : EtherType.ipv6
            let start = Int(try reply.summary().payloadOffset)
            let original = try GuestFrame(etherType, Array(reply.bytes[start...])).summary()
            #expect(original.kind == (source.address.isIPv4 ? .icmp : .icmpv6))
            #expect(original.sourcePort == 77)
        }
    }

    @Test func `quotes the beginning of a long datagram, whose length it tells`() throws {
        let payload = [UInt8](repeating: 3, count: 60_000)
        let reply = try payload.withUnsafeBytes { bytes in
            let packet = try #require(FailedPacket(udpFrom: guest, to: server, payload: bytes))
            return try #require(error(.packetTooBig(mtu: 1_400), from: server.address, about: packet))
        }
        #expect(reply.bytes.count == 14 + 576)
        let quote = Array(reply.bytes[42...])
        #expect(UInt16(quote[2]) << 8 | UInt16(quote[3]) == 60_028)
    }

    @Test func `cannot quote a packet of two families`() {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        #expect(FailedPacket(udpFrom: guest, to: server6, payload: empty) == nil)
    }
}
