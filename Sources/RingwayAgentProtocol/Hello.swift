public import RingwayModel

/// The agent's first message on every channel.
///
///      0               8       10   11   12            28
///     +---------------+-------+----+----+-------------+-------+-----------+
///     | "RINGWAY\0"   |version|role| 0  | session     | token | the role's|
///     +---------------+-------+----+----+-------------+-------+-----------+
///
/// One byte before the token contains its length. The fields of the role follow (with their lengths in bytes):
///
/// - control: the interface's ethernet address (6), the number of queues (2), the requested MTU or zero (2), whether
///   the guest accepts UDP super-frames (1), a zero byte, the guest's name (one byte of length, then the name);
/// - frames: the number of the channel's queue (2), the number of queues (2);
/// - stream: none;
/// - host socket: the name that the host gives the socket (one byte of length, then the name).
public struct Hello: Hashable, Sendable {
    /// The role of a channel.
    public enum Role: Hashable, Sendable {
        case control(GuestOffer)
        /// Ethernet frames of one of the guest's queues: the number `queue`, from 0, out of `of`.
        case frames(queue: UInt16, of: UInt16)
        /// A connection to a server in the guest, which the host names later, by a dial request.
        case stream
        /// A connection of a program in the guest to the unix socket that the host offers under this name.
        case hostSocket(name: String)
    }

    /// The sender's protocol version.
    public var version: UInt16
    public var role: Role
    /// A random identifier that the agent chooses for its control channel, and repeats in the hellos of its other
    /// channels.
    public var session: SessionIdentifier
    /// The token that authorises the agent; empty if the agent has none.
    public var token: [UInt8]

    /// A hello with the version `AgentProtocol.version`.
    public init(role: Role, session: SessionIdentifier, token: [UInt8]) {
        version = AgentProtocol.version
        self.role = role
        self.session = session
        self.token = token
    }

    private enum RoleNumber {
        static let control: UInt8 = 1
        static let frames: UInt8 = 2
        static let stream: UInt8 = 3
        static let hostSocket: UInt8 = 4
    }

    func write(_ writer: inout ByteWriter) {
        writer.append(contentsOf: AgentProtocol.magic)
        writer.append(version)
        switch role {
        case .control: writer.append(RoleNumber.control)
        case .frames: writer.append(RoleNumber.frames)
        case .stream: writer.append(RoleNumber.stream)
        case .hostSocket: writer.append(RoleNumber.hostSocket)
        }
        writer.append(UInt8(0))
        writer.append(contentsOf: session.bytes)
        writer.appendName(token)
        switch role {
        case .control(let offer): offer.write(&writer)
        case .frames(let queue, let count):
            writer.append(queue)
            writer.append(count)
        case .stream: break
        case .hostSocket(let name): writer.appendName(Array(name.utf8))
        }
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        guard Array(try reader.bytes(8)) == AgentProtocol.magic else { throw .notAnAgent }
        version = try reader.integer()
        // A hello of another version is refused, so its further fields are not read. All versions understand the
        // refusal.
        guard version == AgentProtocol.version else {
            role = .stream
            session = .none
            token = []
            return
        }
        let number: UInt8 = try reader.integer()
        try reader.zero(1)
        session = SessionIdentifier(bytes: Array(try reader.bytes(SessionIdentifier.length)))
        token = try reader.name()
        switch number {
        case RoleNumber.control: role = .control(try GuestOffer(&reader))
        case RoleNumber.frames:
            let queue: UInt16 = try reader.integer()
            let count: UInt16 = try reader.integer()
            guard queue < count, count <= GuestOffer.maximumQueues else { throw .invalidValue }
            role = .frames(queue: queue, of: count)
        case RoleNumber.stream: role = .stream
        case RoleNumber.hostSocket: role = .hostSocket(name: try reader.nameText())
        default: throw .invalidValue
        }
        try reader.finish()
    }
}

/// An agent's description of its guest.
public struct GuestOffer: Hashable, Sendable {
    /// The most queues; a hello with more is invalid.
    public static var maximumQueues: UInt16 { 64 }

    /// The interface's ethernet address.
    public var mac: MACAddress
    /// The number of frame channels that the agent will connect; zero for an agent that only opens connections.
    public var queues: UInt16
    /// The requested MTU; zero leaves it to the host.
    public var mtu: UInt16
    /// Whether the guest's TAP device accepts UDP super-frames: several datagrams of equal size in one frame (USO).
    public var takesUDPSuperFrames: Bool
    /// The guest's host name.
    public var name: String

    /// An agent's description of its guest.
    public init(mac: MACAddress, queues: UInt16, mtu: UInt16, takesUDPSuperFrames: Bool, name: String) {
        self.mac = mac
        self.queues = queues
        self.mtu = mtu
        self.takesUDPSuperFrames = takesUDPSuperFrames
        self.name = name
    }

    func write(_ writer: inout ByteWriter) {
        writer.append(mac)
        writer.append(queues)
        writer.append(mtu)
        writer.append(takesUDPSuperFrames ? UInt8(1) : 0)
        writer.append(UInt8(0))
        writer.appendName(Array(name.utf8))
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        mac = try reader.mac()
        queues = try reader.integer()
        mtu = try reader.integer()
        takesUDPSuperFrames = try reader.flag()
        try reader.zero(1)
        name = try reader.nameText()
        guard queues <= Self.maximumQueues, queues == 0 || !mac.isMulticast else { throw .invalidValue }
    }
}

/// Sixteen bytes that identify the channels of one agent.
public struct SessionIdentifier: Hashable, Sendable {
    static var length: Int { 16 }

    let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    static var none: Self { Self(bytes: Array(repeating: 0, count: length)) }

    /// An unpredictable identifier.
    public static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        return Self(bytes: (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}
