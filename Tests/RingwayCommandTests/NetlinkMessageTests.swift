import CRingway
import Ringway
import Testing

@testable import RingwayTap

@Suite("Netlink messages")
struct NetlinkMessageTests {
    private let interface = InterfaceConfiguration(
        mac: MACAddress(rawValue: 0x5255_C0A8_7F02), mtu: 1500, queueLength: 10_000,
        ipv4: block("192.168.127.2/24"), ipv4Gateway: IPv4Address(192, 168, 127, 1), ipv6: block("fd00::2/64"),
        ipv6Gateway: IPv6Address(high: 0xFE80 << 48, low: 1), ownsNamespace: true)

    private static func block(_ text: String) -> CIDRBlock {
        guard let block = CIDRBlock(text) else { preconditionFailure("\(text) is a block") }
        return block
    }

    @Test func `lays an address out as rtnetlink wants it`() {
        var message = interface.address(interface.ipv4, of: 2)
        message.number(7)
        #expect(
            message.bytes == [
                48, 0, 0, 0, 20, 0, 5, 5, 7, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWADDR, request·ack·replace·create, 7
                2, 24, 0, 0, 2, 0, 0, 0,  // AF_INET, /24, interface 2
                8, 0, 2, 0, 192, 168, 127, 2,  // IFA_LOCAL
                8, 0, 1, 0, 192, 168, 127, 2,  // IFA_ADDRESS
                8, 0, 4, 0, 192, 168, 127, 255,  // IFA_BROADCAST
            ])
    }

    @Test func `pads attributes to four bytes and keeps the length right`() {
        let message = interface.settings(of: 3, name: "eth0")
        #expect(message.bytes.count.isMultiple(of: 4))
        let length = message.bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        #expect(Int(length) == message.bytes.count)
        // A six-byte ethernet address, whose attribute has a length of ten and takes twelve.
        #expect(Array(message.bytes[32..<44]) == [10, 0, 1, 0, 0x52, 0x55, 0xC0, 0xA8, 0x7F, 0x02, 0, 0])
    }

    @Test func `keeps the IPv6 route apart from that of a router advertisement`() {
        let message = interface.route(through: IPAddress(interface.ipv6Gateway), by: 2)
        #expect(Array(message.bytes.suffix(8)) == [8, 0, 6, 0, 0, 2, 0, 0])
    }

    @Test func `reads the kernel's refusal and its explanation`() {
        let text = Array("no".utf8) + [0, 0]
        let answer: [UInt8] =
            [44, 0, 0, 0, 2, 0, 0, 3, 9, 0, 0, 0, 0, 0, 0, 0] + [0xEF, 0xFF, 0xFF, 0xFF]
            + [16, 0, 0, 0, 20, 0, 5, 6, 9, 0, 0, 0, 0, 0, 0, 0] + [7, 0, 1, 0] + text
        let answers = answer.withUnsafeBytes { NetlinkAnswer.parse($0) }
        #expect(answers.count == 1)
        #expect(answers.first?.sequence == 9)
        #expect(answers.first?.errorNumber == 17)
        #expect(answers.first?.explanation == "no")
    }

    @Test("survives any bytes at all", arguments: [UInt64](1...64))
    func survivesNoise(seed: UInt64) {
        var state = seed
        for _ in 0..<500 {
            state = state &* 6_364_136_223_846_793_005 &+ 1
            var noise = (0..<Int(state >> 57)).map { UInt8(truncatingIfNeeded: state >> UInt64($0 % 56)) }
            if noise.count >= 8 {
                noise.replaceSubrange(0..<8, with: [UInt8(noise.count), 0, 0, 0, 2, 0, noise[6], 3])
            }
            let answers = noise.withUnsafeBytes { NetlinkAnswer.parse($0) }
            #expect(answers.count <= 1 + noise.count / 16)
        }
    }

    @Test(
        "knows the names that an interface may have",
        arguments: [
            ("eth0", true), ("a", true), ("fifteen-letters", true), ("sixteen-letters-", false), ("", false),
            (".", false), ("..", false), ("a b", false), ("a/b", false), ("a:b", false), ("tap%d", false),
            ("é", false),
        ])
    func names(_ name: String, _ isGood: Bool) {
        #expect(TapDevice.isInterfaceName(name) == isGood)
    }
}

@Suite("Netlink lists")
struct NetlinkRecordTests {
    @Test func `end at the kernel's end message, and have attributes`() {
        let record: [UInt8] =
            [36, 0, 0, 0, 24, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0] + [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            + [8, 0, 10, 0, 0x47, 0, 0x49, 0x52]
        let end: [UInt8] = [20, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let (records, isLast, error) = (record + end).withUnsafeBytes { NetlinkRecord.parse($0) }
        #expect(records.count == 1 && isLast && error == 0)
        #expect(records.first?.integer(10, after: 12) == 0x5249_0047)
        #expect(records.first?.integer(11, after: 12) == nil)
        #expect(record.withUnsafeBytes { NetlinkRecord.parse($0) }.isLast == false)
    }

    @Test("are incomplete if the kernel's end message has an error", arguments: [2, 3] as [UInt8])
    func fail(type: UInt8) {
        // Type 2 is NLMSG_ERROR and 3 is NLMSG_DONE; the error is ENOMEM, 12.
        let end: [UInt8] = [20, 0, 0, 0, type, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xF4, 0xFF, 0xFF, 0xFF]
        let (records, isLast, error) = end.withUnsafeBytes { NetlinkRecord.parse($0) }
        #expect(records.isEmpty && isLast && error == 12)
    }

    @Test("survive any bytes at all", arguments: [UInt64](1...64))
    func surviveNoise(seed: UInt64) {
        var state = seed
        for _ in 0..<500 {
            state = state &* 6_364_136_223_846_793_005 &+ 1
            var noise = (0..<Int(state >> 57)).map { UInt8(truncatingIfNeeded: state >> UInt64($0 % 56)) }
            if noise.count >= 8 { noise.replaceSubrange(0..<6, with: [UInt8(noise.count), 0, 0, 0, noise[4] & 3, 0]) }
            let (records, _, _) = noise.withUnsafeBytes { NetlinkRecord.parse($0) }
            for record in records { _ = record.attribute(Int(seed & 7), after: Int(seed & 15)) }
        }
    }
}
