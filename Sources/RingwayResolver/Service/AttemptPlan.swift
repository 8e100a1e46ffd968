/// The order and the timing of one query's attempts to reach nameservers.
///
/// A value without I/O: each call gets an event and the time, and returns the next step.
///
///     round 0                     round 1                         end
///     ├─ server A ─┬─ server B ─┬─── server A ───┬─── server B ───┬──── rest of timeout ────┤
///       interval     interval      2 × interval     2 × interval
///
/// A late answer to any attempt still ends the query. A server that is unreachable (ICMP, RST) or returns SERVFAIL or
/// REFUSED is not asked again. If no other server was asked after it, the next server is asked immediately. Once a
/// server has returned SERVFAIL or REFUSED, only servers that have not been asked yet are asked, because that response
/// can be passed on to the client.
struct AttemptPlan: Equatable {
    enum Step: Equatable {
        /// Ask this server now. If the query is not answered before `deadline`, `advance` is called.
        case ask(server: Int)
        /// Nothing to do before the deadline.
        case wait
        /// No further attempt is made, and no answer is waited for.
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
    ///   - order: the servers' indices, each once, in the order in which they are asked.
    ///   - rounds: the most attempts per server.
    ///   - interval: the time without an answer before the next server is asked, in nanoseconds; it doubles with each
    ///     round.
    ///   - timeout: the timeout of the last attempt, in nanoseconds; also limits the interval.
    ///   - end: the deadline of the whole query, in monotonic nanoseconds.
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

    /// Whether all servers are unreachable.
    var isUnreachable: Bool { order.allSatisfy { standings[$0] == .out(.unreachable) } }

    /// Whether the server has neither been unreachable nor returned SERVFAIL or REFUSED.
    func isSilent(_ server: Int) -> Bool { standings[server] == .silent }

    /// Returns the first step and, each time the deadline has passed, the next one.
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
        // If a server has returned SERVFAIL or REFUSED, that answer is passed on now, before the last attempt's
        // timeout.
        guard !hasBadAnswer else { return .finish }
        // The last attempt has already waited for its interval, which is part of its timeout.
        let spent = min(timeout, interval << UInt64(min(rounds - 1, 8)))
        deadline = min(end, now + (timeout - spent))
        return deadline > now ? .wait : .finish
    }

    /// Records that an attempt failed before its deadline; returns the next step.
    mutating func setback(_ setback: Setback, server: Int, now: UInt64) -> Step {
        standings[server] = .out(setback)
        if order.allSatisfy({ standings[$0] != .silent }) { return .finish }
        if isLastWait { return hasBadAnswer ? .finish : .wait }
        return current == server ? advance(now: now) : .wait
    }

    private var hasBadAnswer: Bool { standings.contains(.out(.badAnswer)) }
}
