/// In which order, how fast and how long one query's nameservers are asked.
///
/// The plan is pure: events and the time go in, the next step comes out.
///
///     round 0                     round 1                       end
///     ├─ server A ─┬─ server B ─┬─── server A ───┬─── server B ───┬──────── timeout ────────┤
///       interval     interval      2 × interval     2 × interval
///
/// A server is only silent, never given up: an answer to any try ends the query. A server that refuses (ICMP, RST) or
/// answers badly (SERVFAIL, REFUSED) is not asked again, and the next one is asked at once. With a bad answer in hand,
/// which can be passed on, the others get one chance each.
struct AttemptPlan: Equatable {
    enum Step: Equatable {
        /// Ask this server now; the plan's deadline has been set.
        case ask(server: Int)
        /// Nothing to do before the deadline.
        case wait
        /// No more tries and nothing to wait for.
        case finish
    }

    enum Setback: Equatable {
        case unreachable
        case badAnswer
    }

    private enum Standing: Equatable {
        case silent
        case out(Setback)
    }

    /// When `advance` must be called next, in monotonic nanoseconds.
    private(set) var deadline: UInt64

    private let order: [Int]
    private let rounds: Int
    private let interval: UInt64
    private let timeout: UInt64
    private let end: UInt64
    private var standings: [Standing]
    private var round = 0
    private var position = 0
    private var current: Int?
    private var isLastWait = false

    /// - Parameters:
    ///   - order: the servers' indices, each once, the one to ask first in front.
    ///   - rounds: how often each is asked, at most.
    ///   - interval: how long to wait for a server before asking the next, in nanoseconds.
    ///   - timeout: how long to wait after the last try, in nanoseconds; also bounds the interval.
    ///   - end: no step lies after this instant.
    init(order: [Int], rounds: Int, interval: UInt64, timeout: UInt64, now: UInt64, end: UInt64) {
        precondition(rounds > 0)
        self.order = order
        self.rounds = rounds
        self.interval = min(interval, timeout)
        self.timeout = timeout
        self.end = end
        standings = Array(repeating: .silent, count: (order.max() ?? -1) + 1)
        deadline = now
    }

    /// Whether all servers are out, and none of them had anything to say.
    var isUnreachable: Bool { order.allSatisfy { standings[$0] == .out(.unreachable) } }

    /// Whether the server has neither refused nor answered badly.
    func isSilent(_ server: Int) -> Bool { standings[server] == .silent }

    /// The first try, and the next step when the deadline has passed.
    mutating func advance(now: UInt64) -> Step {
        if isLastWait || now >= end { return .finish }
        while round < rounds {
            if round > 0, hasBadAnswer { break }
            while position < order.count {
                let server = order[position]
                position += 1
                guard standings[server] == .silent else { continue }
                current = server
                deadline = min(end, now + min(timeout, interval << UInt64(min(round, 8))))
                return .ask(server: server)
            }
            position = 0
            round += 1
        }
        if order.allSatisfy({ standings[$0] != .silent }) { return .finish }
        isLastWait = true
        // With a SERVFAIL or REFUSED at hand, the other servers' time is up when the last one's interval is over.
        guard !hasBadAnswer else { return .finish }
        // The interval of the last attempt is part of its timeout.
        let spent = min(timeout, interval << UInt64(min(rounds - 1, 8)))
        deadline = min(end, now + (timeout - spent))
        return deadline > now ? .wait : .finish
    }

    /// An attempt failed before its timeout.
    mutating func setback(_ setback: Setback, server: Int, now: UInt64) -> Step {
        standings[server] = .out(setback)
        if order.allSatisfy({ standings[$0] != .silent }) { return .finish }
        if isLastWait { return hasBadAnswer ? .finish : .wait }
        return current == server ? advance(now: now) : .wait
    }

    private var hasBadAnswer: Bool { standings.contains(.out(.badAnswer)) }
}
