internal import RingwayModel

/// The format of a dial request: the server inside the guest to which the agent is to connect.
///
///      0    1    2       4                20
///     +----+----+-------+----------------+-----------+------+
///     |what| 0  | port  | address        | namespace | path |
///     +----+----+-------+----------------+-----------+------+
///
/// "What" is 1 for TCP, 2 for UDP and 3 for a unix socket. The address has sixteen bytes in network order; an IPv4
/// address is IPv4-mapped. For a unix socket, port and address are zero. For TCP and UDP, the path is empty. Before
/// the namespace and before the path, one byte contains the length.
extension DialTarget {
    private enum Number {
        static let tcp: UInt8 = 1
        static let udp: UInt8 = 2
        static let unix: UInt8 = 3
    }

    /// The most bytes of a path: `sun_path` without its terminating zero.
    static var maximumPathLength: Int { 107 }

    func write(_ writer: inout ByteWriter) {
        var address = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        var path = ""
        switch endpoint {
        case .tcp(let target):
            writer.append(Number.tcp)
            address = target
        case .udp(let target):
            writer.append(Number.udp)
            address = target
        case .unix(let target):
            writer.append(Number.unix)
            path = target
        }
        writer.append(UInt8(0))
        writer.append(address.port)
        writer.append(address.address)
        writer.appendName(Array(namespace.utf8))
        writer.appendName(Array(path.utf8))
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        let number: UInt8 = try reader.integer()
        try reader.zero(1)
        let port: UInt16 = try reader.integer()
        let address = TransportAddress(address: try reader.address(), port: port)
        let namespace = try reader.nameText()
        let path = try reader.nameText()
        try reader.finish()
        switch number {
        case Number.tcp, Number.udp:
            guard port != 0, path.isEmpty else { throw .invalidValue }
            self.init(number == Number.tcp ? .tcp(address) : .udp(address), namespace: namespace)
        case Number.unix:
            guard port == 0, address.address == IPAddress(high: 0, low: 0), !path.isEmpty,
                path.utf8.count <= Self.maximumPathLength
            else { throw .invalidValue }
            self.init(.unix(path: path), namespace: namespace)
        default: throw .invalidValue
        }
    }
}
