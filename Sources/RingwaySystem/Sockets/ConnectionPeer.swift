internal import CRingway
internal import Glibc

/// A connection's peer, as the kernel reports it. `excess` uses the peers to choose which connection to close when
/// there are too many.
public struct ConnectionPeer: Hashable, Sendable {
    /// The user ID of a unix socket's peer, or the CID of a vsock socket's peer.
    public enum Party: Hashable, Sendable {
        case user(UInt32)
        case machine(Int64)
        case unknown
    }

    public let party: Party
    /// The process ID of a unix socket's peer; zero for any other socket, or if the process is not visible in this
    /// PID namespace.
    public let process: Int32

    public init(party: Party, process: Int32 = 0) {
        self.party = party
        self.process = process
    }

    /// The peer of a connected socket.
    public init(_ descriptor: Int32) {
        let machine = ringway_vsock_peer(descriptor)
        guard machine < 0 else {
            self.init(party: .machine(machine))
            return
        }
        var credentials = (process: Int32(0), user: UInt32(0), group: UInt32(0))
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        // Only a unix socket reports its peer's user ID. The process ID is 0 if the process is not visible in this
        // PID namespace.
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0, credentials.user != .max
        else {
            self.init(party: .unknown)
            return
        }
        self.init(party: .user(credentials.user), process: credentials.process)
    }

    /// The connection to close if there are too many: the oldest one of the process that has the most connections,
    /// among the processes of the party that has the most connections.
    ///
    /// - Parameter peers: the peers of all connections, in the order in which they connected.
    /// - Returns: the index of the connection in `peers`; `nil` if `peers` is empty.
    public static func excess(among peers: [ConnectionPeer]) -> Int? {
        guard let party = mostFrequent(peers.lazy.map(\.party)) else { return nil }
        guard let process = mostFrequent(peers.lazy.filter { $0.party == party }.map(\.process)) else { return nil }
        return peers.firstIndex { $0.party == party && $0.process == process }
    }

    /// The most frequent element; the first of several that are equally frequent.
    private static func mostFrequent<Elements: Sequence>(
        _ elements: Elements
    ) -> Elements.Element? where Elements.Element: Hashable {
        var counts: [Elements.Element: Int] = [:]
        for element in elements { counts[element, default: 0] += 1 }
        guard let most = counts.values.max() else { return nil }
        return elements.first { counts[$0] == most }
    }
}
