internal import RingwayModel
internal import RingwayStorage

/// The servers inside the guest whose clients go by the link for a while although there is a shorter way, because the
/// server has not answered on it.
///
/// A table of a fixed size in which a server's place follows from its address; one that takes another's place has that
/// one tried again, which costs its next client one timeout.
struct SpliceDetours: ~Copyable {
    /// Nanoseconds that clients go by the link after a timeout: when no server has ever answered, or when one had.
    static var longDetour: UInt64 { 60_000_000_000 }
    static var shortDetour: UInt64 { 1_000_000_000 }

    private struct Entry: BitwiseCopyable {
        var server: TransportAddress
        /// Until when its clients go by the link, in monotonic nanoseconds.
        var linkUntil: UInt64 = 0
        /// Whether it has answered since it last did not.
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
        // Guests have few addresses and many ports.
        let mixed = (server.address.low ^ UInt64(server.port)) &* 0x9E37_79B9_7F4A_7C15
        return entries + Int(truncatingIfNeeded: mixed >> 55)
    }

    /// Whether the server's clients may go the short way.
    func mayTry(_ server: TransportAddress, now: UInt64) -> Bool {
        let entry = place(of: server)
        return entry.pointee.server != server || entry.pointee.linkUntil <= now
    }

    /// The server has answered on the short way.
    mutating func answered(_ server: TransportAddress) {
        place(of: server).pointee = Entry(server: server, hasAnswered: true)
    }

    /// There is no socket for the short way at the moment, whatever the server would say.
    mutating func blocked(_ server: TransportAddress, now: UInt64) {
        let entry = place(of: server)
        let hasAnswered = entry.pointee.server == server && entry.pointee.hasAnswered
        entry.pointee = Entry(server: server, linkUntil: now &+ Self.shortDetour, hasAnswered: hasAnswered)
    }

    /// It has not answered in time.
    mutating func timedOut(_ server: TransportAddress, now: UInt64) {
        let entry = place(of: server)
        let hadAnswered = entry.pointee.server == server && entry.pointee.hasAnswered
        entry.pointee = Entry(
            server: server, linkUntil: now &+ (hadAnswered ? Self.shortDetour : Self.longDetour))
    }
}
