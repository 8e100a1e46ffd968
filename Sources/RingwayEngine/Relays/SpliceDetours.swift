internal import RingwayModel
internal import RingwayStorage

/// Servers inside the guest whose clients use the link for a while, because a spliced connection to the server could
/// not be opened (`Relays+Opening.swift`).
///
/// The table has a fixed size and is indexed by a hash of the server's address and port. If two servers have the same
/// index, the entry of the first is lost. The next client of that server then tries a spliced connection, at the cost
/// of one timeout.
struct SpliceDetours: ~Copyable {
    /// Nanoseconds for which a server's clients use the link. The long time applies after a timeout, unless the
    /// server has answered since its previous timeout. The short time applies otherwise.
    static var longDetour: UInt64 { 60_000_000_000 }
    static var shortDetour: UInt64 { 1_000_000_000 }

    private struct Entry: BitwiseCopyable {
        var server: TransportAddress
        /// The server's clients use the link until this time, in monotonic nanoseconds.
        var linkUntil: UInt64 = 0
        /// Whether the server has answered since its last timeout.
        var hasAnswered = false
    }

    private static var places: Int { 512 }
    private let entries: UnsafeMutablePointer<Entry>

    /// A table in which every server may be tried.
    init() throws(MemoryFailure) {
        entries = try .allocateApart(capacity: Self.places)
        let nowhere = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        entries.initialize(repeating: Entry(server: nowhere), count: Self.places)
    }

    deinit { entries.deallocate() }

    private func place(of server: TransportAddress) -> UnsafeMutablePointer<Entry> {
        // Guests have few addresses and many ports, so the port is part of the hash.
        let mixed = (server.address.low ^ UInt64(server.port)) &* 0x9E37_79B9_7F4A_7C15
        return entries + Int(truncatingIfNeeded: mixed >> 55)
    }

    /// Whether the server's clients may bypass the link.
    func mayTry(_ server: TransportAddress, now: UInt64) -> Bool {
        let entry = place(of: server)
        return entry.pointee.server != server || entry.pointee.linkUntil <= now
    }

    /// Records that a spliced connection to the server was opened.
    mutating func answered(_ server: TransportAddress) {
        place(of: server).pointee = Entry(server: server, hasAnswered: true)
    }

    /// Records that no socket inside the guest was available for a connection to the server.
    mutating func blocked(_ server: TransportAddress, now: UInt64) {
        let entry = place(of: server)
        let hasAnswered = entry.pointee.server == server && entry.pointee.hasAnswered
        entry.pointee = Entry(server: server, linkUntil: now &+ Self.shortDetour, hasAnswered: hasAnswered)
    }

    /// Records that the connect of a socket inside the guest to the server has timed out.
    mutating func timedOut(_ server: TransportAddress, now: UInt64) {
        let entry = place(of: server)
        let hadAnswered = entry.pointee.server == server && entry.pointee.hasAnswered
        entry.pointee = Entry(
            server: server, linkUntil: now &+ (hadAnswered ? Self.shortDetour : Self.longDetour))
    }
}
