internal import CRingway
internal import Glibc

/// The socket pairs between the shards and the process that creates sockets inside the guest. They are made before that
/// process is forked, so both ends are here.
struct SocketPairs {
    /// The shards' ends.
    let bridge: [Int32]
    /// The ends of the process in the guest.
    let guest: [Int32]

    /// No pairs: no socket is created in the guest.
    static let none = SocketPairs(bridge: [], guest: [])

    private init(bridge: [Int32], guest: [Int32]) {
        self.bridge = bridge
        self.guest = guest
    }

    /// Creates `count` pairs, or none if one of them cannot be created.
    init(count: Int) {
        var bridge: [Int32] = []
        var guest: [Int32] = []
        for _ in 0..<count {
            var ends: [Int32] = [-1, -1]
            guard ringway_message_pair(&ends) == 0 else {
                for end in bridge + guest { close(end) }
                self = .none
                return
            }
            bridge.append(ends[0])
            guest.append(ends[1])
        }
        self.init(bridge: bridge, guest: guest)
    }

    func closeBridge() { for end in bridge { close(end) } }
    func closeGuest() { for end in guest { close(end) } }
}
