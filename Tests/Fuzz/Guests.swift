import RingwayAgentProtocol

@testable import Ringway

/// Messages of an agent and of a host, split anywhere.
func fuzzAgentMessages(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let choice = input.byte()
    var reader = choice & 1 == 0 ? AgentMessageReader.ofAgent() : .ofHost()
    do throws(AgentProtocolFailure) {
        while !input.isEmpty {
            let wanted = reader.wanted
            precondition(wanted > 0, "a reader wants more bytes")
            let piece = choice & 2 == 0 ? wanted : min(wanted, 1 + Int(input.byte()))
            guard let message = try reader.take(input.take(piece)) else { continue }
            // A parsed message is written and parsed again, and must be the same.
            let written = message.bytes
            let kind = UInt16(written[4]) | UInt16(written[5]) << 8
            let again = try AgentMessage(kind: kind, body: written[AgentProtocol.envelopeLength...])
            // A text that was not UTF-8 has been repaired, and may have been cut for that.
            let isMended = "\(message)".unicodeScalars.contains("\u{FFFD}")
            precondition(again == message || isMended, "\(message) became \(again)")
        }
    } catch {
        fuzzSink = UInt8(truncatingIfNeeded: "\(error)".utf8.count)
    }
}

/// The handshake of VPNKit's protocol.
func fuzzVPNKitHandshake(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    var handshake = VPNKitHandshake()
    while !input.isEmpty {
        let wanted = handshake.wanted
        precondition(wanted > 0, "nothing is wanted of a client that is not decided about")
        switch handshake.receive(input.take(min(wanted, 1 + Int(input.byte())))) {
        case .wait, .send: continue
        case .decide(let request):
            let mac = request.mac ?? MACAddress(rawValue: 0)
            precondition(!mac.isMulticast, "a guest's address is a group's")
            precondition(VPNKitHandshake.welcome(mtu: 1_500, mac: mac).count == 258)
            return
        case .refuse(let answer, let reason):
            precondition(answer.isEmpty || answer.count == 258)
            precondition(VPNKitHandshake.refusal(reason).count == 258)
            return
        }
    }
}
