import Glibc

/// One parser of hostile input, or several that belong together. Built by `tools/fuzz`, not by the package.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable (UnsafeRawBufferPointer) -> Void

    static let all = [
        FuzzTarget(name: "stack", run: fuzzStack),
        FuzzTarget(name: "switch", run: fuzzSwitch),
        FuzzTarget(name: "decoder", run: fuzzFrameDecoder),
        FuzzTarget(name: "outgoing", run: fuzzFrameSendQueue),
        FuzzTarget(name: "agent", run: fuzzAgentMessages),
        FuzzTarget(name: "vpnkit", run: fuzzVPNKitHandshake),
        FuzzTarget(name: "names", run: fuzzNames),
        FuzzTarget(name: "nameservers", run: fuzzNameservers),
        FuzzTarget(name: "resolvconf", run: fuzzResolvConf),
        FuzzTarget(name: "control", run: fuzzControlRequests),
        FuzzTarget(name: "cmsg", run: fuzzControlMessages),
        FuzzTarget(name: "netlink", run: fuzzNetlink),
        FuzzTarget(name: "yaml", run: fuzzYAML),
        FuzzTarget(name: "capture", run: fuzzCapture),
    ]

    /// The one that `RINGWAY_FUZZ_TARGET` names.
    static let chosen: FuzzTarget = {
        let name = getenv("RINGWAY_FUZZ_TARGET").map { String(cString: $0) } ?? "stack"
        guard let target = all.first(where: { $0.name == name }) else {
            giveUp("there is no target \"\(name)\"; there are \(all.map(\.name).joined(separator: ", "))")
        }
        return target
    }()
}

/// libFuzzer's way in: one input is one run of the target.
@_cdecl("LLVMFuzzerTestOneInput")
public func runOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    FuzzTarget.chosen.run(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

/// The choices that an input makes: bytes from its front, and zeros where it has ended.
struct FuzzInput {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isEmpty: Bool { position == bytes.count }

    mutating func byte() -> UInt8 {
        guard position < bytes.count else { return 0 }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func word() -> Int { Int(byte()) | Int(byte()) << 8 }

    /// So many bytes, or those that are left.
    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, position + max(0, count))
        defer { position = end }
        return Array(bytes[position..<end])
    }

    mutating func rest() -> [UInt8] { take(bytes.count) }
}

/// Ends the program that cannot fuzz.
func giveUp(_ reason: String) -> Never {
    let line = reason + "\n"
    _ = line.withCString { write(2, $0, strlen($0)) }
    exit(2)
}

/// The text of an input, mended where it is no UTF-8: parsers of texts are given texts.
func text(of bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
