import Testing

@testable import Ringway

@Suite("VPNKit's handshake")
struct VPNKitHandshakeTests {
    private static let greeting = Array("VMN3T".utf8) + [22, 0, 0, 0] + [UInt8](repeating: 0x61, count: 40)
    private static let identifier = Array("8D3F1C52-0000-4000-8000-0123456789ab".utf8)

    private static func request(_ command: UInt8, _ identifier: [UInt8], _ rest: [UInt8]) -> VPNKitHandshake.Action {
        var handshake = VPNKitHandshake()
        _ = handshake.receive(greeting)
        return handshake.receive([command] + identifier + rest)
    }

    @Test func `accepts a client of the protocol, and reads not one byte too many`() {
        var handshake = VPNKitHandshake()
        #expect(handshake.wanted == 49)
        #expect(handshake.receive(Array(Self.greeting.prefix(20))) == .wait)
        #expect(handshake.wanted == 29)
        guard case .send(let answer) = handshake.receive(Array(Self.greeting.dropFirst(20))) else {
            Issue.record("no greeting")
            return
        }
        #expect(answer.count == 49)
        #expect(Array(answer.prefix(9)) == Array(Self.greeting.prefix(9)))
        #expect(handshake.wanted == 41)
    }

    @Test func `closes the connection of another client`() {
        var handshake = VPNKitHandshake()
        let action = handshake.receive([UInt8](repeating: 0x20, count: 49))
        #expect(action == .refuse([], reason: "it does not speak VPNKit's protocol"))
    }

    @Test func `makes the same address of the same UUID, in whatever case`() {
        let upper = Self.request(1, Self.identifier, [0, 0, 0, 0])
        let lower = Self.request(1, Array("8d3f1c52-0000-4000-8000-0123456789ab".utf8), [0, 0, 0, 0])
        let other = Self.request(1, Array("8d3f1c52-0000-4000-8000-0123456789ac".utf8), [0, 0, 0, 0])
        #expect(upper == lower)
        #expect(upper != other)
        guard case .decide(let request) = upper, let mac = request.mac else {
            Issue.record("no request")
            return
        }
        #expect(mac.isLocallyAdministered && !mac.isMulticast)
    }

    @Test func `leaves the address to the server without a UUID`() {
        let action = Self.request(1, [UInt8](repeating: 0, count: 36), [0, 0, 0, 0])
        #expect(action == .decide(VPNKitHandshake.Request(mac: nil, preferred: nil)))
    }

    @Test func `reads the address that is wished for`() {
        guard case .decide(let request) = Self.request(8, Self.identifier, [9, 127, 168, 192]) else {
            Issue.record("no request")
            return
        }
        #expect(request.preferred == IPv4Address(192, 168, 127, 9))
    }

    @Test func `refuses to bind ports, with a reason`() {
        guard case .refuse(let answer, let reason) = Self.request(6, Self.identifier, [0, 0, 0, 0]) else {
            Issue.record("no refusal")
            return
        }
        #expect(answer.count == 258)
        #expect(answer[0] == 2 && Int(answer[1]) == reason.utf8.count)
        #expect(String(decoding: answer[2..<2 + reason.utf8.count], as: UTF8.self) == reason)
    }

    @Test func `sends a guest its MTU and its address`() {
        let answer = VPNKitHandshake.welcome(mtu: 1_500, mac: MACAddress(rawValue: 0x5256_0102_0304))
        #expect(answer.count == 258)
        #expect(Array(answer.prefix(11)) == [1, 0xDC, 5, 0x0E, 6, 0x52, 0x56, 1, 2, 3, 4])
    }
}
