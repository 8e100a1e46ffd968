/// Initial scripts for the fuzzer with frames that the simulation never sends: frames of other protocols than TCP,
/// and TCP segments whose sequence numbers are relative to those of the stack's segments.
public enum ScriptSamples {
    /// The name and the bytes of each script.
    public static func all() -> [(name: String, script: [UInt8])] {
        var samples: [(String, [UInt8])] = []
        for isIPv6 in [false, true] {
            let family = isIPv6 ? "ipv6" : "ipv4"
            samples.append(("udp-\(family)", udp(isIPv6: isIPv6)))
            samples.append(("query-\(family)", query(isIPv6: isIPv6)))
            samples.append(("ping-\(family)", ping(isIPv6: isIPv6)))
            samples.append(("segments-\(family)", segments(isIPv6: isIPv6)))
        }
        samples.append(("services", services()))
        samples.append(("fragments", fragments()))
        return samples
    }

    private static var header: [UInt8] { [0] + [UInt8](repeating: 7, count: 14) + [0xDC, 0x05] }

    private static func step(_ step: ScriptStep, _ bytes: [UInt8] = []) -> [UInt8] { [step.rawValue] + bytes }

    private static func second(_ count: Int) -> [UInt8] {
        let nanoseconds = UInt64(count) * 1_000_000_000
        return step(.time, (0..<6).map { UInt8(truncatingIfNeeded: nanoseconds >> UInt64(8 * $0)) })
    }

    /// A frame whose checksums are corrected when it is replayed.
    private static func frame(_ etherType: Int, _ packet: [UInt8]) -> [UInt8] {
        let ethernet: [UInt8] =
            [0x52, 0x55, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] + [UInt8(etherType >> 8), UInt8(etherType & 255)]
        let frame = [UInt8](repeating: 0, count: 12) + ethernet + packet
        return [ScriptStep.frame.rawValue | 0x80, UInt8(frame.count & 255), UInt8(frame.count >> 8)] + frame
    }

    private static func packet(
        isIPv6: Bool, _ protocolNumber: UInt8, to target: [UInt8]? = nil, fragment: Int = 0, _ payload: [UInt8]
    ) -> [UInt8] {
        if isIPv6 {
            let prefix: [UInt8] = [0xFD, 0x12, 0x34, 0x56, 0x78, 0x9A] + [UInt8](repeating: 0, count: 9)
            let outside: [UInt8] = [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [1]
            return frame(
                0x86DD,
                [0x60, 0, 0, 0, UInt8(payload.count >> 8), UInt8(payload.count & 255), protocolNumber, 64]
                    + prefix + [2] + (target ?? outside) + payload)
        }
        let length = 20 + payload.count
        return frame(
            0x0800,
            [
                0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 9, UInt8(fragment >> 8), UInt8(fragment & 255), 64,
                protocolNumber, 0, 0, 192, 168, 127, 2,
            ] + (target ?? [198, 51, 100, 1]) + payload)
    }

    private static func datagram(to port: Int, _ payload: [UInt8]) -> [UInt8] {
        let length = 8 + payload.count
        return [0x9C, 0x40, UInt8(port >> 8), UInt8(port & 255), UInt8(length >> 8), UInt8(length & 255), 0, 0]
            + payload
    }

    private static func udp(isIPv6: Bool) -> [UInt8] {
        header + packet(isIPv6: isIPv6, 17, datagram(to: 20_000, [1, 2, 3]))
            + step(.datagram, [0, 100, 0, isIPv6 ? 8 : 0]) + step(.datagram, [0, 0x88, 0x13, isIPv6 ? 0x48 : 0x40])
            + step(.forwarded, [isIPv6 ? 9 : 1, 50, 0, isIPv6 ? 10 : 2])
            + step(.undelivered, [0, 9, 0, isIPv6 ? 8 : 0]) + second(31) + second(200)
    }

    private static func query(isIPv6: Bool) -> [UInt8] {
        let gateway: [UInt8] =
            isIPv6
            ? [0xFD, 0x12, 0x34, 0x56, 0x78, 0x9A] + [UInt8](repeating: 0, count: 9) + [1] : [192, 168, 127, 1]
        let question: [UInt8] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]
        return header + packet(isIPv6: isIPv6, 17, to: gateway, datagram(to: 53, question))
            + step(.answered, [0, 60, 0, 0]) + packet(isIPv6: isIPv6, 17, to: gateway, datagram(to: 53, question))
            + second(31)
    }

    private static func ping(isIPv6: Bool) -> [UInt8] {
        let echo: [UInt8] = [isIPv6 ? 128 : 8, 0, 0, 0, 0, 77, 0, 1, 5, 5, 5, 5]
        return header + packet(isIPv6: isIPv6, isIPv6 ? 58 : 1, echo) + step(.echoed, [0, 12, 0, isIPv6 ? 8 : 0])
            + [ScriptStep.echoed.rawValue | 0x80, 0, 12, 0, isIPv6 ? 8 : 0] + second(60)
    }

    /// Two connections, one opened by each end. The sequence numbers of segments are relative to the stack's last
    /// segment, so that they stay near the window when the fuzzer changes other bytes of the script.
    private static func segments(isIPv6: Bool) -> [UInt8] {
        let flow: UInt8 = isIPv6 ? 8 : 0
        let syn = step(.segment, [flow, 0x02, 1, 0, 0, 0xFF, 0, 0, 7, 84, 7])
        let data = step(.segment, [flow, 0x18, 0, 0, 0, 0xFF, 0, 4, 0])
        let later = step(.segment, [flow, 0x18, 100, 0, 0, 0xFF, 0, 4, 0x60])
        let report = step(.segment, [flow, 0x10, 0, 0xF0, 0, 0xFF, 0, 0, 8, 50, 0, 40, 0])
        let finish = step(.segment, [flow, 0x11, 0, 0, 0, 0xFF, 0, 0, 0])
        return header + syn + step(.connected, [0, 0]) + data + step(.turn) + later + step(.turn)
            + step(.received, [0, 0, 0x20]) + report + report + report + step(.sent, [0, 0, 2]) + second(3) + finish
            + step(.turn) + step(.sent, [0, 0xFF, 0xFF]) + step(.ended, [0]) + second(2) + finish
            + step(.opened, [flow + 1]) + step(.segment, [flow + 1, 0x12, 1, 0, 0, 0xFF, 0, 0, 7, 84, 7]) + step(.turn)
    }

    private static func services() -> [UInt8] {
        let arp: [UInt8] =
            [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 192, 168, 127, 2, 0, 0, 0, 0, 0, 0, 192, 168, 127, 1]
        var discover = [UInt8](repeating: 0, count: 236)
        discover.replaceSubrange(0..<8, with: [1, 1, 6, 0, 1, 2, 3, 4])
        discover.replaceSubrange(28..<34, with: [2, 0, 0, 0, 0, 2])
        discover += [99, 130, 83, 99, 53, 1, 1, 55, 3, 1, 3, 6, 255]
        var dhcp = datagram(to: 67, discover)
        dhcp[0] = 0
        dhcp[1] = 68
        let linkLocal: [UInt8] = [0xFE, 0x80] + [UInt8](repeating: 0, count: 13) + [1]
        let solicitation: [UInt8] = [135, 0, 0, 0, 0, 0, 0, 0] + linkLocal + [1, 1, 2, 0, 0, 0, 0, 2]
        let routers: [UInt8] = [0xFF, 2] + [UInt8](repeating: 0, count: 13) + [2]
        return header + frame(0x0806, arp)
            + packet(isIPv6: false, 17, to: [255, 255, 255, 255], dhcp)
            + packet(isIPv6: true, 58, to: linkLocal, solicitation)
            + packet(isIPv6: true, 58, to: routers, [133, 0, 0, 0, 0, 0, 0, 0])
            + packet(isIPv6: false, 47, [1, 2, 3]) + second(10)
    }

    private static func fragments() -> [UInt8] {
        let whole = datagram(to: 20_000, [UInt8](repeating: 3, count: 56))
        let second = packet(isIPv6: false, 17, fragment: 4, Array(whole[32...]))
        let first = packet(isIPv6: false, 17, fragment: 0x2000, Array(whole[..<32]))
        return header + second + first + first + step(.turn)
    }
}
