/// The protocol between a host and the agent inside a guest.
///
/// Every channel is a separate connection (vsock or a unix socket), and so has a flow control of its own. Integers
/// are little-endian. A channel starts with messages, each in an envelope of eight bytes:
///
///      0               4       6       8
///     +---------------+-------+-------+----------------+
///     | body length   | kind  |   0   | body           |
///     +---------------+-------+-------+----------------+
///
/// The agent sends first, regardless of which side connected:
///
///     agent                                     host
///       | -- hello: version, token, role ------> |
///       | <--------------- welcome or refusal -- |
///
/// The role determines what follows:
///
/// - **control**, one per agent: messages both ways. What the agent has requested, such as published ports, ends with
///   this channel.
/// - **frames**, one per queue: ethernet frames both ways, in the format of `AgentFrame`. The host answers the
///   control channel's hello once the channels of all queues that it uses are connected, so that the guest is
///   attached before it gets its addresses.
/// - **stream**: idle until the host sends a dial request. After a reply without error the channel carries records,
///   in the format of `StreamRecord`. The agent keeps `Welcome.readyStreams` idle streams connected.
/// - **host socket**: a connection of a program in the guest to a unix socket of the host. The host connects to that
///   socket before it answers the hello, and records follow the welcome at once.
///
/// A side that receives an invalid message closes the channel.
public enum AgentProtocol {
    /// The version of the protocol that this source implements.
    public static var version: UInt16 { 1 }

    /// Bytes of the envelope before each body.
    public static var envelopeLength: Int { 8 }

    /// The longest body in bytes. It has room for `PortReport.maximumChanges` ports.
    public static var maximumBodyLength: Int { 16_384 }

    /// The longest body of a channel's first message in bytes. It is shorter than later bodies may be, because the
    /// peer is not yet known to be an agent.
    public static var maximumHelloLength: Int { 640 }

    /// The longest text of a refusal, in bytes of UTF-8.
    public static var maximumTextLength: Int { 1_024 }

    /// The longest name, path or token, in bytes.
    public static var maximumNameLength: Int { 255 }

    /// The first bytes of every hello's body: "RINGWAY" and a zero byte.
    static var magic: [UInt8] { [0x52, 0x49, 0x4E, 0x47, 0x57, 0x41, 0x59, 0x00] }
}

/// Why bytes from a peer are refused.
public enum AgentProtocolFailure: Error, Hashable, Sendable {
    /// A body ends before its last field.
    case truncated
    /// A body has bytes after its last field.
    case trailingBytes
    /// A length or count exceeds its maximum.
    case tooLong
    /// The first message is not a hello: its envelope, its length or its magic is wrong.
    case notAnAgent
    /// A field has a value that the protocol does not allow.
    case invalidValue
    /// The message's kind is unknown, or not allowed on this channel at this point.
    case unexpectedKind(UInt16)
}

extension AgentProtocolFailure: CustomStringConvertible {
    /// What the peer sent, in words that complete "the peer sent …", such as "a message that ends too early".
    public var description: String {
        switch self {
        case .truncated: "a message that ends too early"
        case .trailingBytes: "a message that is too long for its kind"
        case .tooLong: "a length beyond its bound"
        case .notAnAgent: "something else than the agent protocol"
        case .invalidValue: "an invalid value"
        case .unexpectedKind(let kind): "an unexpected message of kind \(kind)"
        }
    }
}
