internal import CRingway
internal import Glibc

/// Cancelling operations.
extension EmulatedRing {
    /// Executes a cancel: by tag, or by descriptor.
    mutating func cancel(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Int32 {
        let isForAll = entry.pointee.cancel_flags & IORING_ASYNC_CANCEL_ALL != 0
        if entry.pointee.cancel_flags & IORING_ASYNC_CANCEL_FD != 0 {
            let count = endAll(of: entry.pointee.fd, most: isForAll ? .max : 1)
            return isForAll ? count : count > 0 ? 0 : -ENOENT
        }
        guard let slot = operations.find(tag: entry.pointee.addr) else { return -ENOENT }
        end(slot)
        return 0
    }

    /// Cancels the latest operation with a tag; returns the number of cancelled operations, one or zero.
    mutating func cancelNow(_ tag: UInt64) -> Int32 {
        guard let slot = operations.find(tag: tag) else { return 0 }
        end(slot)
        postEnded()
        return 1
    }

    /// The descriptor is about to be closed: ends the operations that wait for it, and forgets its state.
    mutating func closing(_ descriptor: Int32) {
        // Postponed operations may be on a descriptor that was never watched.
        endAll(of: descriptor)
        guard let watched = descriptors[descriptor] else { return }
        watched.pointee.armed = 0
        watched.pointee.ready = 0
        watched.pointee.isDrained = false
        watched.pointee.isNonBlocking = false
    }

    /// Ends operations on a descriptor with ECANCELED; returns their number.
    @discardableResult
    private mutating func endAll(of descriptor: Int32, most: Int32 = .max) -> Int32 {
        var count = endWaiting(for: descriptor, most: most)
        // The list of postponed operations is usually empty, so a search is cheap.
        var slot = postponed.first
        while count < most, slot != .max {
            let next = operations[slot].pointee.next
            if operations[slot].pointee.entry.fd == descriptor, mayWait(operations[slot].pointee.entry) {
                end(slot)
                count += 1
            }
            slot = next
        }
        return count
    }

    /// Ends operations that wait for the descriptor's events; returns their number.
    @discardableResult
    mutating func endWaiting(for descriptor: Int32, most: Int32 = .max) -> Int32 {
        var count: Int32 = 0
        while count < most, let slot = descriptors[descriptor]?.pointee.operations.first, slot != .max {
            end(slot)
            count += 1
        }
        return count
    }

    /// Whether the operation may wait for its descriptor.
    private func mayWait(_ entry: io_uring_sqe) -> Bool {
        (OperationCode(rawValue: entry.opcode)?.need ?? .none) != .none
    }

    /// Ends an operation with ECANCELED; its completion is posted when there is room.
    private mutating func end(_ slot: UInt32) {
        let operation = operations[slot]
        switch operation.pointee.place {
        case .descriptor: unlink(slot, OperationCode(rawValue: operation.pointee.entry.opcode)?.need ?? .none)
        case .postponed: operations.remove(slot, from: &postponed)
        case .ended, .underWay: return
        }
        keepEnded(slot, -ECANCELED)
    }

    /// Keeps the result of an operation that has ended, until the completion queue has room. Its completion then
    /// reports no provided buffer.
    mutating func keepEnded(_ entry: UnsafeMutablePointer<io_uring_sqe>, _ slot: UInt32, _ result: Int32) {
        guard let place = slot == .max ? operations.insert(entry.pointee) : slot else {
            preconditionFailure("more operations were submitted than can ever wait")
        }
        keepEnded(place, result)
    }

    private mutating func keepEnded(_ slot: UInt32, _ result: Int32) {
        operations[slot].pointee.place = .ended
        operations[slot].pointee.result = result
        operations.append(slot, to: &ended)
    }
}
