/// Nameservers that repeatedly did not answer while another one did. They are asked last until they answer again or
/// half a minute has passed, so that a dead first server delays a few queries and not every query.
///
/// One unanswered query does not change the order, because the first nameserver may know names that the others deny.
struct Suspects {
    /// Consecutive failures after which a server is asked last.
    static let threshold = 3

    /// How long a server is asked last, in nanoseconds. If it does not answer the first query after that, it is asked
    /// last again.
    static let span: UInt64 = 30_000_000_000

    private struct Record {
        var silences = 0
        var suspectUntil: UInt64 = 0
    }

    private var records: [Nameserver: Record] = [:]

    /// Records that the server did not answer a query that another one answered.
    mutating func noteSilence(of server: Nameserver, now: UInt64) {
        var record = records[server] ?? Record()
        record.silences += 1
        if record.silences >= Self.threshold { record.suspectUntil = now + Self.span }
        records[server] = record
    }

    mutating func noteAnswer(of server: Nameserver) {
        guard !records.isEmpty else { return }
        records[server] = nil
    }

    mutating func forgetAll() { records = [:] }

    /// The indices of `servers` from `first` on, wrapping around, with the suspects at the end.
    func order(_ servers: [Nameserver], first: Int, now: UInt64) -> [Int] {
        guard !servers.isEmpty else { return [] }
        let rotated = servers.indices.map { ($0 + first) % servers.count }
        guard !records.isEmpty else { return rotated }
        let isSuspect = { (index: Int) in (records[servers[index]]?.suspectUntil ?? 0) > now }
        return rotated.filter { !isSuspect($0) } + rotated.filter(isSuspect)
    }
}
