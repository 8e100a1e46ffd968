internal import RingwayModel

/// The server's side of VPNKit's handshake, by which a guest's client, or a hypervisor, opens a link before frames are
/// sent. All numbers are little endian.
///
///     client                                        server
///       | -- "VMN3T", version 22, 40 bytes -------> |      49 bytes
///       | <------------------------------- the same - |
///       | -- command, UUID, and 4 bytes more -----> |      41 bytes
///       | <---- 1, MTU, longest packet, address ---- |      258 bytes; or 2, length, reason
///
/// A pure value: it takes received bytes, and returns the next action.
struct VPNKitHandshake: Equatable {
    enum Action: Equatable {
        case wait
        case send([UInt8])
        /// A client requests a link. Reply with `welcome` or `refusal`.
        case decide(Request)
        /// The client speaks another protocol, or sent an unknown command. The bytes are to be sent before the
        /// connection is closed.
        case refuse([UInt8], reason: String)
    }

    /// A client's request for a link.
    struct Request: Equatable {
        /// An ethernet address derived from the client's UUID, so that it is the same for every connection; `nil` if
        /// the UUID's field is filled with zero bytes.
        let mac: MACAddress?
        /// The address that the client prefers.
        let preferred: IPv4Address?
    }

    static var version: UInt32 { 22 }
    private static var magic: [UInt8] { Array("VMN3T".utf8) }
    private static var greetingLength: Int { 49 }
    private static var commandLength: Int { 41 }
    private static var identifierLength: Int { 36 }
    private static var replyLength: Int { 258 }

    private var received: [UInt8] = []
    private var isGreeted = false

    /// The most bytes to read next. The bytes after the handshake are frames, and must stay in the socket.
    var wanted: Int { (isGreeted ? Self.commandLength : Self.greetingLength) - received.count }

    /// Processes received bytes.
    mutating func receive(_ data: [UInt8]) -> Action {
        received += data
        guard wanted <= 0 else { return .wait }
        defer { received = [] }
        if isGreeted { return command() }
        guard Array(received.prefix(Self.magic.count)) == Self.magic else {
            return .refuse([], reason: "it does not speak VPNKit's protocol")
        }
        isGreeted = true
        return .send(Self.greeting)
    }

    private static var greeting: [UInt8] {
        let commit = [UInt8](repeating: UInt8(ascii: "0"), count: 40)
        return magic + (0..<4).map { UInt8(truncatingIfNeeded: version >> (8 * $0)) } + commit
    }

    private func command() -> Action {
        let identifier = received[1..<1 + Self.identifierLength]
        let mac = identifier.allSatisfy { $0 == 0 } ? nil : Self.mac(of: identifier)
        let rest = received[(1 + Self.identifierLength)...]
        switch received[0] {
        case 1: return .decide(Request(mac: mac, preferred: nil))
        case 8:
            let value = rest.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return .decide(Request(mac: mac, preferred: value == 0 ? nil : IPv4Address(rawValue: value)))
        case let other:
            let reason = "command \(other) is not served here"
            return .refuse(Self.refusal(reason), reason: reason)
        }
    }

    /// A locally administered ethernet address that is derived from a UUID by an FNV-1a hash.
    private static func mac(of identifier: ArraySlice<UInt8>) -> MACAddress {
        let hash = identifier.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
            // UUIDs are compared without case.
            let folded = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            return (hash ^ UInt64(folded)) &* 0x100_0000_01B3
        }
        return MACAddress(rawValue: 0x5256_0000_0000 | (hash ^ hash >> 32) & 0xFFFF_FFFF)
    }

    /// The reply for an accepted client: the MTU and ethernet address of its interface, and its longest packet.
    static func welcome(mtu: Int, mac: MACAddress) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] {
            let value = UInt16(clamping: value)
            return [UInt8(value & 0xFF), UInt8(value >> 8)]
        }
        let address = stride(from: 40, through: 0, by: -8).map { UInt8(truncatingIfNeeded: mac.rawValue >> UInt64($0)) }
        return padded([1] + word(mtu) + word(mtu + 50) + address)
    }

    /// The reply for a refused client, with the reason.
    static func refusal(_ reason: String) -> [UInt8] {
        let text = Array(reason.utf8.prefix(255))
        return padded([2, UInt8(text.count)] + text)
    }

    private static func padded(_ reply: [UInt8]) -> [UInt8] {
        reply + [UInt8](repeating: 0, count: replyLength - reply.count)
    }
}
