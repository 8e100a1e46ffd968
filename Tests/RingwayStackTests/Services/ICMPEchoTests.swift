import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 1122 §3.2.2.6, RFC 4443 §4.
@Suite("Echo to the gateway")
struct ICMPEchoTests {
    let plan: NetworkPlan
    let data = (0..<56).map { UInt8($0) }

    init() throws { plan = try ServiceNetwork.plan() }

    private func answer(to frame: GuestFrame, _ echo: inout ICMPEcho, capacity: Int = 2_048) throws -> GuestFrame? {
        let summary = try frame.summary()
        return written(capacity: capacity) { room in
            frame.bytes.withUnsafeBytes { echo.respond(to: $0, summary, into: room) }
        }
    }

    private func echoV6(to destination: IPv6Address, type: UInt8 = ICMPv6Header.echoRequest) -> GuestFrame {
        let message = GuestFrame.written(8) { ICMPFields(type: type, identifier: 9, sequence: 3).write(to: $0) } + data
        return .icmpv6(message, to: destination, hopLimit: 64)
    }

    @Test func `is answered over IPv4 with identifier, sequence and data`() throws {
        var echo = ICMPEcho(plan: plan)
        let request = GuestFrame.icmpv4(
            type: ICMPv4Header.echoRequest, to: plan.gatewayIPv4, identifier: 7, sequence: 5, data)
        let reply = try #require(try answer(to: request, &echo))
        let summary = try reply.summary()
        #expect(summary.source == IPAddress(plan.gatewayIPv4))
        #expect(summary.destination == IPAddress(ServiceNetwork.guestIPv4))
        #expect(reply.bytes.count == request.bytes.count)
        let message = Array(reply.bytes[34...])
        #expect(message[0] == ICMPv4Header.echoReply)
        #expect(Array(message[4..<8]) == [0, 7, 0, 5])
        #expect(Array(message[8...]) == data)
        #expect(echo.answers == 1)
    }

    @Test func `is answered over IPv6 at both the gateway's addresses`() throws {
        for address in [plan.gatewayIPv6, plan.gatewayLinkLocal] {
            var echo = ICMPEcho(plan: plan)
            let reply = try #require(try answer(to: echoV6(to: address), &echo))
            let summary = try reply.summary()
            #expect(summary.source == IPAddress(address))
            #expect(reply.bytes[54] == ICMPv6Header.echoReply)
            #expect(Array(reply.bytes[62...]) == data)
        }
    }

    @Test func `is not answered for others, groups and broadcast`() throws {
        var echo = ICMPEcho(plan: plan)
        let others = [plan.hostIPv4, ServiceNetwork.outside, plan.broadcastIPv4, .broadcast]
        for address in others {
            #expect(try answer(to: .icmpv4(type: 8, to: address, data), &echo) == nil)
        }
        #expect(try answer(to: echoV6(to: .allNodes), &echo) == nil)
        #expect(echo.drops[.echoNotOurs] == 5)
    }

    @Test func `is not answered when it is a reply, has a code or comes from nowhere`() throws {
        var echo = ICMPEcho(plan: plan)
        #expect(try answer(to: .icmpv4(type: 0, to: plan.gatewayIPv4), &echo) == nil)
        #expect(try answer(to: .icmpv4(type: 8, code: 1, to: plan.gatewayIPv4), &echo) == nil)
        #expect(try answer(to: .icmpv4(type: 8, from: .unspecified, to: plan.gatewayIPv4), &echo) == nil)
        #expect(try answer(to: echoV6(to: plan.gatewayIPv6, type: ICMPv6Header.echoReply), &echo) == nil)
        #expect(echo.answers == 0)
        #expect(echo.drops.total == 4)
    }

    @Test func `above the MTU is answered as a message for the fragmenter`() throws {
        var echo = ICMPEcho(plan: plan)
        let data = [UInt8](repeating: 0x42, count: 4_000)
        let request = GuestFrame.icmpv4(type: 8, to: plan.gatewayIPv4, data)
        let summary = try request.summary()
        #expect(try answer(to: request, &echo, capacity: 8_192) == nil)
        #expect(echo.drops[.replyDoesNotFit] == 1)
        let message = Array(request.bytes[34...])
        let reply = try #require(
            written(capacity: 8_192) { room in
                message.withUnsafeBytes { echo.answer(to: $0, summary, into: room) }
            })
        #expect(reply.bytes.count == 4_008)
        #expect(reply.bytes[0] == ICMPv4Header.echoReply)
        #expect(reply.bytes.withUnsafeBytes { Checksum.fold(Checksum.partial($0)) } == 0xFFFF)
    }

    @Test func `is not answered where the answer does not fit`() throws {
        var echo = ICMPEcho(plan: plan)
        let request = GuestFrame.icmpv4(type: 8, to: plan.gatewayIPv4, data)
        #expect(try answer(to: request, &echo, capacity: request.bytes.count - 1) == nil)
        #expect(try answer(to: request, &echo, capacity: request.bytes.count) != nil)
    }
}
