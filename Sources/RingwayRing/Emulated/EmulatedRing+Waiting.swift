internal import CRingway
internal import Glibc

/// Starting operations, waiting for events, and retrying.
extension EmulatedRing {
    /// The state of an operation after attempts.
    private enum Progress {
        case wouldWait
        /// The descriptor has used up its share of completions, or the completion queue is full. The operation may be
        /// able to complete again, so it is attempted later.
        case mayGoOn
        case over(Int32, UInt32)
    }

    private static var inputEvents: UInt32 { EPOLLIN.rawValue | failureEvents }
    private static var outputEvents: UInt32 { EPOLLOUT.rawValue | failureEvents }
    /// Events that epoll always reports.
    private static var failureEvents: UInt32 { EPOLLERR.rawValue | EPOLLHUP.rawValue }

    // MARK: Starting

    /// Starts an operation. There must be room for its completion.
    ///
    /// - Parameter slot: the slot of a stored operation; `.max` if it is still in the submission queue.
    mutating func begin(_ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32) {
        guard let code = entry.code else { return finish(entry, slot, -EINVAL, 0) }
        let descriptor = entry.pointee.fd
        if code.needsNonBlockingFile { keepFromBlocking(descriptor) }
        switch code.need {
        case .none:
            finish(entry, slot, carryOut(entry), 0)
            postEnded()
        case .events:
            wait(entry, slot, for: .events, attempted: false)
        case .input:
            if let watched = descriptors[descriptor], watched.pointee.inputs > 0 {
                return wait(entry, slot, for: .input, attempted: true)
            }
            // The last receive took all data, so the attempt is skipped. If data has arrived since, epoll reports it
            // when the descriptor is armed.
            if code == .receive, descriptors[descriptor]?.pointee.isDrained ?? false, Self.mayWait(entry) {
                return wait(entry, slot, for: .input, attempted: false)
            }
            begin(entry, slot, goOnWithInput(entry, most: Self.visitLimit), .input)
        case .output:
            if let watched = descriptors[descriptor], watched.pointee.outputs > 0 {
                return wait(entry, slot, for: .output, attempted: true)
            }
            begin(entry, slot, goOn(attemptOutput(entry, isConnecting: false)), .output)
        }
    }

    /// Makes a descriptor's file non-blocking, unless it is known to be. io_uring can wait for a blocking file
    /// without blocking its caller, but the system calls of this ring would block the thread.
    private mutating func keepFromBlocking(_ descriptor: Int32) {
        if let watched = descriptors[descriptor], watched.pointee.isNonBlocking { return }
        let flags = ringway_file_flags(descriptor)
        // The operation itself will report that the descriptor is invalid.
        guard flags >= 0 else { return }
        if flags & O_NONBLOCK == 0 { ringway_set_file_flags(descriptor, flags | O_NONBLOCK) }
        descriptors.reach(descriptor).pointee.isNonBlocking = true
    }

    private mutating func begin(
        _ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32, _ progress: Progress,
        _ need: OperationCode.Need
    ) {
        switch progress {
        case .over(let result, let flags): finish(entry, slot, result, flags)
        // A connect is the first operation on its socket, so the descriptor must be armed. Arming also reports a
        // connection that has been made since the attempt.
        case .wouldWait: wait(entry, slot, for: need, attempted: entry.code != .connect)
        case .mayGoOn:
            let descriptor = entry.pointee.fd
            wait(entry, slot, for: need, attempted: true)
            descriptors.markReady(descriptor, EPOLLIN.rawValue)
        }
    }

    /// Attempts an input operation, repeatedly if it is multishot.
    private mutating func goOnWithInput(_ entry: UnsafeMutablePointer<io_uring_sqe>, most: Int) -> Progress {
        guard entry.isMultishot else { return goOn(attemptInput(entry)) }
        var budget = most
        while budget > 0, hasRoom {
            switch attemptInput(entry) {
            case .wouldWait: return .wouldWait
            case .done(let result, let flags):
                guard result > 0 || (result == 0 && entry.code == .accept) else { return .over(result, flags) }
                post(entry.pointee.user_data, result, flags | IORING_CQE_F_MORE)
                budget -= 1
            }
        }
        return .mayGoOn
    }

    private func goOn(_ attempt: Attempt) -> Progress {
        switch attempt {
        case .wouldWait: .wouldWait
        case .done(let result, let flags): .over(result, flags)
        }
    }

    /// Posts an operation's last completion and removes the operation, which must be on no list.
    private mutating func finish(
        _ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32, _ result: Int32, _ flags: UInt32
    ) {
        // There is no room if a multishot operation filled the completion queue before it turned out that epoll does
        // not support its file.
        guard hasRoom else { return keepEnded(entry, slot, result) }
        if result < 0 || !ringway_skips_success(entry) { post(entry.pointee.user_data, result, flags) }
        if slot != .max { operations.remove(slot) }
    }

    // MARK: Waiting

    /// Makes an operation wait for events.
    ///
    /// - Parameter attempted: whether the operation, or an earlier one with the same need, has already been attempted
    ///   without success. If so, and if its events are armed, epoll reports the next change by itself. Otherwise the
    ///   descriptor is armed again, so that epoll reports its current state.
    private mutating func wait(
        _ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32, for need: OperationCode.Need, attempted: Bool
    ) {
        let descriptor = entry.pointee.fd
        let wanted = Self.events(entry, need)
        let isFirst = descriptors[descriptor]?.pointee.operations.isEmpty ?? true
        let armed = descriptors[descriptor]?.pointee.armed ?? 0
        if isFirst || !attempted || armed & wanted != wanted {
            let error = arm(descriptor, isFirst ? wanted : armed | wanted)
            guard error == 0 else { return finishUnwaited(entry, slot, error) }
        }
        guard let place = slot == .max ? operations.insert(entry.pointee) : slot else {
            return finish(entry, slot, -ENOMEM, 0)
        }
        operations[place].pointee.place = .descriptor
        operations[place].pointee.isConnecting = entry.code == .connect
        let watched = descriptors.reach(descriptor)
        operations.append(place, to: &watched.pointee.operations)
        switch need {
        case .input: watched.pointee.inputs += 1
        case .output: watched.pointee.outputs += 1
        case .events: watched.pointee.polls += 1
        case .none: break
        }
    }

    /// Ends an operation whose descriptor epoll has refused with `error`. Files that epoll does not support (EPERM),
    /// such as regular files, are always ready, so a poll reports the requested events; any other operation ends with
    /// EAGAIN.
    private mutating func finishUnwaited(
        _ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32, _ error: Int32
    ) {
        guard error == EPERM else { return finish(entry, slot, -error, 0) }
        guard entry.code == .poll else { return finish(entry, slot, -EAGAIN, 0) }
        finish(entry, slot, Int32(bitPattern: entry.pointee.poll32_events & (EPOLLIN.rawValue | EPOLLOUT.rawValue)), 0)
    }

    /// The events that an operation waits for. Failures are reported in addition.
    private static func events(_ entry: UnsafeMutablePointer<io_uring_sqe>, _ need: OperationCode.Need) -> UInt32 {
        switch need {
        case .none: 0
        case .input: EPOLLIN.rawValue
        case .output: EPOLLOUT.rawValue
        case .events: entry.pointee.poll32_events & ~failureEvents
        }
    }

    /// Arms a descriptor in epoll, which reports at once what is already ready. Returns zero or an `errno`.
    ///
    /// The first operation that waits for a descriptor arms it again, because the number may have been reused for
    /// another file.
    private mutating func arm(_ descriptor: Int32, _ events: UInt32) -> Int32 {
        let isKnown = descriptors[descriptor]?.pointee.armed ?? 0 != 0
        var error = control(isKnown ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, events)
        if error == -ENOENT {
            // The number has been reused: the operations that still wait under it were for the previous file.
            endWaiting(for: descriptor)
            error = control(EPOLL_CTL_ADD, descriptor, events)
        } else if error == -EEXIST {
            error = control(EPOLL_CTL_MOD, descriptor, events)
        }
        guard error == 0 else { return -error }
        descriptors.reach(descriptor).pointee.armed = events | EPOLLET.rawValue
        return 0
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ events: UInt32) -> Int32 {
        ringway_epoll_control(
            epoll, operation, descriptor, events | EPOLLET.rawValue, UInt64(UInt32(bitPattern: descriptor)))
    }

    // MARK: Retrying

    /// Visits each ready descriptor in turn, as long as there is room for completions.
    mutating func visitReady() {
        postEnded()
        var visits = descriptors.readyCount
        while visits > 0, hasRoom, let (descriptor, events) = descriptors.takeReady() {
            visits -= 1
            visit(descriptor, events)
        }
    }

    /// Attempts the operations that wait for a descriptor, oldest first.
    private mutating func visit(_ descriptor: Int32, _ events: UInt32) {
        guard let watched = descriptors[descriptor] else { return }
        watched.pointee.isDrained = false
        var canInput = events & Self.inputEvents != 0 && watched.pointee.inputs > 0
        var canOutput = events & Self.outputEvents != 0 && watched.pointee.outputs > 0
        let hasPolls = watched.pointee.polls > 0
        var (inputs, outputs) = (Self.visitLimit, Self.visitLimit)
        // Events for which the descriptor is visited again, because its operations have used up their share of
        // completions.
        var left: UInt32 = 0
        var slot = watched.pointee.operations.first
        while slot != .max, canInput || canOutput || hasPolls {
            guard hasRoom else { return descriptors.markReady(descriptor, events) }
            let operation = operations[slot]
            let entry = UnsafeMutableRawPointer(operation).assumingMemoryBound(to: io_uring_sqe.self)
            let next = operation.pointee.next
            switch entry.code?.need {
            case .input where canInput:
                switch inputs > 0 ? goOnWithInput(entry, most: inputs) : .mayGoOn {
                case .wouldWait: canInput = false
                case .mayGoOn:
                    canInput = false
                    left |= EPOLLIN.rawValue
                case .over(let result, let flags):
                    inputs -= 1
                    unlink(slot, .input)
                    finish(entry, slot, result, flags)
                }
            case .output where canOutput:
                switch outputs > 0 ? goOn(attemptOutput(entry, isConnecting: operation.pointee.isConnecting)) : .mayGoOn
                {
                case .wouldWait: canOutput = false
                case .mayGoOn:
                    canOutput = false
                    left |= EPOLLOUT.rawValue
                case .over(let result, let flags):
                    outputs -= 1
                    unlink(slot, .output)
                    finish(entry, slot, result, flags)
                }
            case .events: tell(entry, slot, events)
            default: break
            }
            slot = next
        }
        if left != 0 { descriptors.markReady(descriptor, left) }
    }

    /// Posts a completion of a poll if `events` contains an event that the poll waits for, or a failure.
    private mutating func tell(_ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32, _ events: UInt32) {
        let found = events & (entry.pointee.poll32_events | Self.failureEvents)
        guard found != 0 else { return }
        if entry.isMultishot {
            post(entry.pointee.user_data, Int32(bitPattern: found), IORING_CQE_F_MORE)
        } else {
            unlink(slot, .events)
            finish(entry, slot, Int32(bitPattern: found), 0)
        }
    }

    /// Removes an operation from its descriptor's list.
    mutating func unlink(_ slot: UInt32, _ need: OperationCode.Need) {
        guard let watched = descriptors[operations[slot].pointee.entry.fd] else { return }
        operations.remove(slot, from: &watched.pointee.operations)
        switch need {
        case .input: watched.pointee.inputs -= 1
        case .output: watched.pointee.outputs -= 1
        case .events: watched.pointee.polls -= 1
        case .none: break
        }
    }
}
