/// Extracts messages from the bytes of a channel, in whatever pieces they are received.
///
/// After a channel's last message, other code reads the frames or records that follow. The caller therefore receives
/// at most `wanted` bytes at a time, so that the reader never takes bytes beyond one message.
public struct AgentMessageReader: Sendable {
    private var bytes: [UInt8] = []
    private var bodyLength: Int?
    private var isFirst: Bool

    /// A reader of all bytes that an agent sends on a channel: the first message must be a hello.
    public static func ofAgent() -> Self { Self(isFirst: true) }

    /// A reader of the bytes that a host sends, or that an agent sends after its hello.
    public static func ofHost() -> Self { Self(isFirst: false) }

    private init(isFirst: Bool) {
        self.isFirst = isFirst
    }

    /// The most bytes to receive next; never zero.
    public var wanted: Int {
        (bodyLength.map { $0 + AgentProtocol.envelopeLength } ?? AgentProtocol.envelopeLength) - bytes.count
    }

    /// Whether no message is partly received.
    public var isBetweenMessages: Bool { bytes.isEmpty }

    /// Takes the next bytes of the channel, at most `wanted`. Returns the message that they complete, or `nil`.
    public mutating func take(_ received: some Collection<UInt8>) throws(AgentProtocolFailure) -> AgentMessage? {
        precondition(received.count <= wanted, "bytes beyond the message belong to what follows")
        bytes.append(contentsOf: received)
        if bodyLength == nil {
            guard bytes.count == AgentProtocol.envelopeLength else { return nil }
            bodyLength = try checkEnvelope()
        }
        guard let bodyLength, bytes.count == AgentProtocol.envelopeLength + bodyLength else { return nil }
        let kind = UInt16(bytes[4]) | UInt16(bytes[5]) << 8
        defer {
            bytes.removeAll(keepingCapacity: true)
            self.bodyLength = nil
            isFirst = false
        }
        return try AgentMessage(kind: kind, body: bytes[AgentProtocol.envelopeLength...])
    }

    private func checkEnvelope() throws(AgentProtocolFailure) -> Int {
        var reader = ByteReader(bytes[...])
        let length: UInt32 = try reader.integer()
        let kind: UInt16 = try reader.integer()
        let zero: UInt16 = try reader.integer()
        // Recognises a peer that is not an agent before its first bytes are used as a length.
        if isFirst, kind != 1 || zero != 0 { throw .notAnAgent }
        guard zero == 0 else { throw .invalidValue }
        guard length <= (isFirst ? AgentProtocol.maximumHelloLength : AgentProtocol.maximumBodyLength) else {
            throw isFirst ? .notAnAgent : .tooLong
        }
        return Int(length)
    }
}
