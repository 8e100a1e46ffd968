internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The queues of a `struct io_uring` in ordinary memory.
enum RingMemory {
    /// The 32-bit fields by which the ring's owner and its back end communicate, in the order of their addresses.
    private enum Word: Int, CaseIterable {
        case submissionHead, submissionTail, submissionMask, submissionEntries, submissionFlags, submissionsDropped
        case completionHead, completionTail, completionMask, completionEntries, completionFlags, completionsLost
    }

    /// Bytes reserved for the `Word` fields. The entries of both queues follow.
    private static var wordRoom: Int { 128 }

    /// Initialises both queues, empty, with at least the given numbers of entries.
    ///
    /// - Returns: the memory, to be deallocated by the caller.
    static func lay(
        out ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32
    ) throws(SystemError) -> UnsafeMutableRawPointer {
        let (entries, completions) = (powerOfTwo(atLeast: entries), powerOfTwo(atLeast: completions))
        let submissionBytes = Int(entries) * MemoryLayout<io_uring_sqe>.stride
        let completionBytes = Int(completions) * MemoryLayout<io_uring_cqe>.stride
        let memory = try allocate(wordRoom + submissionBytes + completionBytes)
        let words = memory.bindMemory(to: UInt32.self, capacity: Word.allCases.count)
        words.initialize(repeating: 0, count: Word.allCases.count)
        func place(_ word: Word) -> UnsafeMutablePointer<UInt32> { words + word.rawValue }
        ring.initialize(to: io_uring())
        ring.pointee.sq.khead = place(.submissionHead)
        ring.pointee.sq.ktail = place(.submissionTail)
        ring.pointee.sq.kring_mask = place(.submissionMask)
        ring.pointee.sq.kring_entries = place(.submissionEntries)
        ring.pointee.sq.kflags = place(.submissionFlags)
        ring.pointee.sq.kdropped = place(.submissionsDropped)
        ring.pointee.sq.ring_mask = entries - 1
        ring.pointee.sq.ring_entries = entries
        ring.pointee.sq.sqes = (memory + wordRoom).bindMemory(to: io_uring_sqe.self, capacity: Int(entries))
        ring.pointee.cq.khead = place(.completionHead)
        ring.pointee.cq.ktail = place(.completionTail)
        ring.pointee.cq.kring_mask = place(.completionMask)
        ring.pointee.cq.kring_entries = place(.completionEntries)
        ring.pointee.cq.kflags = place(.completionFlags)
        ring.pointee.cq.koverflow = place(.completionsLost)
        ring.pointee.cq.ring_mask = completions - 1
        ring.pointee.cq.ring_entries = completions
        ring.pointee.cq.cqes = (memory + wordRoom + submissionBytes).bindMemory(
            to: io_uring_cqe.self, capacity: Int(completions))
        place(.submissionMask).pointee = entries - 1
        place(.submissionEntries).pointee = entries
        place(.completionMask).pointee = completions - 1
        place(.completionEntries).pointee = completions
        // This flag says that completions are deferred. An emulated ring leaves it set, so that `Ring.hasCompletion`
        // calls the back end, which checks epoll, before it returns false. A scripted ring clears it.
        place(.submissionFlags).pointee = IORING_SQ_TASKRUN
        return memory
    }

    /// Allocates memory aligned to a page; freed by `deallocate`.
    static func allocate(_ byteCount: Int) throws(SystemError) -> UnsafeMutableRawPointer {
        guard let memory = ringway_allocate(byteCount, 4_096) else {
            throw SystemError("cannot have \(byteCount) bytes of memory", errno: ENOMEM)
        }
        return memory
    }

    private static func powerOfTwo(atLeast count: UInt32) -> UInt32 {
        var power: UInt32 = 1
        while power < count { power *= 2 }
        return power
    }
}
