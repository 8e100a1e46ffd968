public import RingwayModel

/// A message between host and agent. The number in each case's comment is the kind in the message's envelope.
public enum AgentMessage: Hashable, Sendable {
    /// 1, from the agent: the first message of every channel.
    case hello(Hello)
    /// 2, from the host: the hello is accepted.
    case welcome(Welcome)
    /// 3, from the host: the hello is refused; the channel ends.
    case refusal(Refusal)
    /// 4, from the host on a stream: the server to connect to.
    case dial(DialTarget)
    /// 5, from the agent on a stream: `nil` if the agent has connected to the server, otherwise the reason why not.
    case dialled(Refusal?)
    /// 6, from the host on the control channel: requests this many streams in addition to `Welcome.readyStreams` (2
    /// bytes).
    case moreStreams(UInt16)
    /// 7, from the agent on the control channel: listening ports of the guest that were opened or closed.
    case ports(PortReport)
    /// 8, from the agent on the control channel: asks the host to publish a port for a server in the guest.
    case publish(PublishRequest)
    /// 9, from the host on the control channel: the answer to a `publish`.
    case published(PublishAnswer)
    /// 10, from the agent on the control channel: withdraws the `publish` with this number (4 bytes).
    case unpublish(UInt32)
    /// 11, from the host on the control channel: the host's time of day, for the guest's clock, in nanoseconds since
    /// 1970 (8 bytes).
    case clock(UInt64)

    var kind: UInt16 {
        switch self {
        case .hello: 1
        case .welcome: 2
        case .refusal: 3
        case .dial: 4
        case .dialled: 5
        case .moreStreams: 6
        case .ports: 7
        case .publish: 8
        case .published: 9
        case .unpublish: 10
        case .clock: 11
        }
    }

    /// The message as it is sent: envelope and body.
    public var bytes: [UInt8] {
        var body = ByteWriter()
        switch self {
        case .hello(let hello): hello.write(&body)
        case .welcome(let welcome): welcome.write(&body)
        case .refusal(let refusal): refusal.write(&body)
        case .dial(let target): target.write(&body)
        case .dialled(let refusal): Refusal.write(refusal, &body)
        case .moreStreams(let count): body.append(count)
        case .ports(let report): report.write(&body)
        case .publish(let request): request.write(&body)
        case .published(let answer): answer.write(&body)
        case .unpublish(let number): body.append(number)
        case .clock(let time): body.append(time)
        }
        var message = ByteWriter()
        message.append(UInt32(body.bytes.count))
        message.append(kind)
        message.append(UInt16(0))
        message.append(contentsOf: body.bytes)
        return message.bytes
    }

    /// Parses a body. `kind` comes from its envelope.
    public init(kind: UInt16, body: ArraySlice<UInt8>) throws(AgentProtocolFailure) {
        var reader = ByteReader(body)
        switch kind {
        case 1: self = .hello(try Hello(&reader))
        case 2: self = .welcome(try Welcome(&reader))
        case 3:
            guard let refusal = try Refusal.read(&reader) else { throw .invalidValue }
            self = .refusal(refusal)
            try reader.finish()
        case 4: self = .dial(try DialTarget(&reader))
        case 5:
            self = .dialled(try Refusal.read(&reader))
            try reader.finish()
        case 6:
            self = .moreStreams(try reader.integer())
            try reader.finish()
        case 7: self = .ports(try PortReport(&reader))
        case 8: self = .publish(try PublishRequest(&reader))
        case 9: self = .published(try PublishAnswer(&reader))
        case 10:
            self = .unpublish(try reader.integer())
            try reader.finish()
        case 11:
            self = .clock(try reader.integer())
            try reader.finish()
        default: throw .unexpectedKind(kind)
        }
    }
}
