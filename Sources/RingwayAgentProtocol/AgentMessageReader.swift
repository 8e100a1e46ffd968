/// Finds messages in the octets of a conversation, however they were cut on the way.
///
/// It never holds more than one message: what follows the last message of a conversation is not its business, so the
/// caller asks how many octets are wanted and takes no more than that from the stream.
public struct AgentMessageReader: Sendable {
    private var octets: [UInt8] = []
    private var bodyLength: Int?
    private var isFirst: Bool

    /// A reader of what an agent says from its first octet on.
    public static func ofAgent() -> Self { Self(isFirst: true) }

    /// A reader of what a host says, or an agent that has been heard.
    public static func ofHost() -> Self { Self(isFirst: false) }

    private init(isFirst: Bool) {
        self.isFirst = isFirst
    }

    /// Octets to be taken from the stream next, at the most; never zero.
    public var wanted: Int {
        (bodyLength.map { $0 + AgentProtocol.envelopeLength } ?? AgentProtocol.envelopeLength) - octets.count
    }

    /// Whether the stream is between two messages.
    public var isBetweenMessages: Bool { octets.isEmpty }

    /// Takes octets from the stream, not more than `wanted`, and answers a message once it is whole.
    public mutating func take(_ received: some Collection<UInt8>) throws(AgentProtocolFailure) -> AgentMessage? {
        precondition(received.count <= wanted, "octets beyond the message belong to what follows")
        octets.append(contentsOf: received)
        if bodyLength == nil {
            guard octets.count == AgentProtocol.envelopeLength else { return nil }
            bodyLength = try checkEnvelope()
        }
        guard let bodyLength, octets.count == AgentProtocol.envelopeLength + bodyLength else { return nil }
        let kind = UInt16(octets[4]) | UInt16(octets[5]) << 8
        defer {
            octets.removeAll(keepingCapacity: true)
            self.bodyLength = nil
            isFirst = false
        }
        return try AgentMessage(kind: kind, body: octets[AgentProtocol.envelopeLength...])
    }

    private func checkEnvelope() throws(AgentProtocolFailure) -> Int {
        var reader = OctetReader(octets[...])
        let length: UInt32 = try reader.integer()
        let kind: UInt16 = try reader.integer()
        let zero: UInt16 = try reader.integer()
        // Whoever is not an agent at all is told from one before its first octets are taken for a length.
        if isFirst, kind != 1 || zero != 0 { throw .notAnAgent }
        guard zero == 0 else { throw .invalidValue }
        guard length <= (isFirst ? AgentProtocol.maximumHelloLength : AgentProtocol.maximumBodyLength) else {
            throw isFirst ? .notAnAgent : .tooLong
        }
        return Int(length)
    }
}
