internal import Glibc

/// A ring's submission queue and how to make the kernel accept its entries.
protocol SubmissionQueue: ~Copyable {
    /// Submits queued entries; returns the number accepted, or a negated `errno`.
    mutating func submitOnce() -> Int32
    /// Moves completions from the kernel's queue to a backlog, and returns their number. If the queue is empty, the
    /// kernel is first made to post the completions that it has deferred (task work, overflow).
    mutating func takeCompletions() -> Int
    /// Pauses briefly, because the kernel accepts no entries at the moment.
    mutating func rest()
}

extension SubmissionQueue where Self: ~Copyable {
    /// Makes the kernel accept at least one entry.
    ///
    /// After an overflow of the completion queue the kernel accepts no entries until completions are taken (EBUSY).
    /// Without memory it accepts no entries for a while (EAGAIN). So this method takes completions before it repeats
    /// the call, and pauses if there are none.
    ///
    /// - Returns: zero, or the `errno` after which the ring is unusable.
    mutating func submitSome() -> Int32 {
        while true {
            let result = submitOnce()
            if result >= 0 { return 0 }
            switch -result {
            case EINTR: continue
            case EBUSY, EAGAIN: if takeCompletions() == 0 { rest() }
            case let error: return error
            }
        }
    }
}

/// Completions that were taken from the kernel's queue because the kernel accepted no submissions, and that are not
/// handled yet.
struct CompletionBacklog: ~Copyable {
    private var items: [Completion] = []
    private var head = 0
    private(set) var count = 0

    mutating func append(_ completion: Completion) {
        items.append(completion)
        count += 1
    }

    @inline(never)
    mutating func popFirst() -> Completion? {
        guard count > 0 else { return nil }
        let first = items[head]
        head += 1
        count -= 1
        if count == 0 {
            items = []
            head = 0
        }
        return first
    }
}
