internal import Glibc

/// A ring's queue of submissions, as far as getting the kernel to take what is in it.
protocol SubmissionQueue: ~Copyable {
    /// Hands what is queued to the kernel; how many entries it took, or a negated `errno`.
    mutating func submitOnce() -> Int32
    /// Takes completions out of the kernel's queue, those included that it holds back; how many there were.
    mutating func takeCompletions() -> Int
    /// Waits a moment, as the kernel has no memory.
    mutating func rest()
}

extension SubmissionQueue where Self: ~Copyable {
    /// Has the kernel take at least one entry.
    ///
    /// A kernel whose queue of completions has overflown takes none until there is room in it (EBUSY), and one without
    /// memory takes none for a while (EAGAIN): nothing would come of asking again and again.
    ///
    /// - Returns: zero, or the `errno` by which the ring is of no use any more.
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

/// Completions that were taken out of the kernel's queue to make room in it, and that have not been looked at yet. There are
/// none unless the queue was full.
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
