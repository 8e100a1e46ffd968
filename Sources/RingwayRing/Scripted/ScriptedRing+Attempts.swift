internal import CRingway
internal import Glibc

/// Executes operations by calls of the files of the model (`ScriptedFile`).
extension ScriptedRing {
    enum Attempt {
        case wouldWait
        /// A completion's result and flags.
        case done(Int32, UInt32)
    }

    func carryOut(_ operation: ScriptedOperation) -> Attempt {
        var entry = operation.entry
        return withUnsafeMutablePointer(to: &entry) { entry in
            switch entry.code {
            case .receive, .read, .readMultishot: receive(operation, entry)
            case .receiveMessage: receiveRecord(operation, entry)
            case .send, .write: send(operation, entry, [slice(entry)])
            case .writeSlices:
                send(
                    operation, entry,
                    slices(UnsafePointer(bitPattern: UInt(entry.pointee.addr)), Int(entry.pointee.len)))
            case .sendMessage: sendMessage(operation, entry)
            case .connect: connect(operation, entry)
            case .accept: waitable(operation.file.accept(), entry)
            case .poll: poll(operation, entry)
            default: .done(-EINVAL, 0)
            }
        }
    }

    private func waitable(_ result: Int, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        if result == Int(-EAGAIN), entry.pointee.msg_flags & UInt32(MSG_DONTWAIT) == 0 { return .wouldWait }
        return .done(Int32(truncatingIfNeeded: result), 0)
    }

    // MARK: Receiving

    private func receive(_ operation: ScriptedOperation, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        let asked = Int(entry.pointee.len)
        guard ringway_selects_buffer(entry) else {
            let address = UnsafeMutableRawPointer(bitPattern: UInt(entry.pointee.addr))
            return waitable(operation.file.receive(room(operation, address, asked)), entry)
        }
        guard let buffer = provided.next(of: entry.pointee.buf_group) else { return .done(-ENOBUFS, 0) }
        let count = operation.file.receive(
            room(operation, buffer.address, asked == 0 ? buffer.length : min(asked, buffer.length)))
        guard count > 0 else { return waitable(count, entry) }
        provided.take(of: entry.pointee.buf_group)
        // IORING_CQE_F_SOCK_NONEMPTY
        let leavesMore: UInt32 = operation.file.events & UInt32(POLLIN) != 0 ? 4 : 0
        return .done(
            Int32(truncatingIfNeeded: count), UInt32(buffer.identifier) << 16 | IORING_CQE_F_BUFFER | leavesMore)
    }

    private func room(
        _ operation: ScriptedOperation, _ address: UnsafeMutableRawPointer?, _ count: Int
    ) -> UnsafeMutableRawBufferPointer {
        let share = operation.file.isStream ? max(1, min(count, host.share(of: count, operation))) : count
        return UnsafeMutableRawBufferPointer(start: address, count: share)
    }

    /// Receives a message into a provided buffer: header, name, control data and payload in this order
    /// (io_uring_prep_recvmsg_multishot(3)).
    private func receiveRecord(_ operation: ScriptedOperation, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        guard let buffer = provided.next(of: entry.pointee.buf_group) else { return .done(-ENOBUFS, 0) }
        guard let template = UnsafePointer<msghdr>(bitPattern: UInt(entry.pointee.addr)) else {
            return .done(-EFAULT, 0)
        }
        let nameOffset = MemoryLayout<io_uring_recvmsg_out>.size
        let controlOffset = nameOffset + Int(template.pointee.msg_namelen)
        let payloadOffset = controlOffset + template.pointee.msg_controllen
        guard payloadOffset <= buffer.length else { return .done(-EFAULT, 0) }
        var part = iovec(iov_base: buffer.address + payloadOffset, iov_len: buffer.length - payloadOffset)
        var message = msghdr()
        let count = withUnsafeMutablePointer(to: &part) { part in
            message.msg_name = buffer.address + nameOffset
            message.msg_namelen = template.pointee.msg_namelen
            message.msg_control = buffer.address + controlOffset
            message.msg_controllen = template.pointee.msg_controllen
            message.msg_iov = part
            message.msg_iovlen = 1
            return operation.file.receive(&message)
        }
        guard count >= 0 else { return waitable(count, entry) }
        buffer.address.storeBytes(
            of: io_uring_recvmsg_out(
                namelen: message.msg_namelen, controllen: UInt32(message.msg_controllen), payloadlen: UInt32(count),
                flags: UInt32(bitPattern: message.msg_flags)),
            as: io_uring_recvmsg_out.self)
        provided.take(of: entry.pointee.buf_group)
        return .done(
            Int32(truncatingIfNeeded: payloadOffset + count),
            UInt32(buffer.identifier) << 16 | IORING_CQE_F_BUFFER)
    }

    // MARK: Sending

    private func slice(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(entry.pointee.addr)), count: Int(entry.pointee.len))
    }

    private func slices(_ parts: UnsafePointer<iovec>?, _ count: Int) -> [UnsafeRawBufferPointer] {
        guard let parts else { return [] }
        return (0..<count).map { UnsafeRawBufferPointer(start: parts[$0].iov_base, count: parts[$0].iov_len) }
    }

    private func send(
        _ operation: ScriptedOperation, _ entry: UnsafeMutablePointer<io_uring_sqe>, _ slices: [UnsafeRawBufferPointer]
    ) -> Attempt {
        waitable(operation.file.send(shortened(operation, slices)), entry)
    }

    private func sendMessage(_ operation: ScriptedOperation, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        guard let message = UnsafePointer<msghdr>(bitPattern: UInt(entry.pointee.addr)) else {
            return .done(-EFAULT, 0)
        }
        let slices = shortened(operation, slices(message.pointee.msg_iov, message.pointee.msg_iovlen))
        return waitable(operation.file.send(message, slices), entry)
    }

    /// The slices, shortened to the bytes that the script lets a stream accept.
    private func shortened(
        _ operation: ScriptedOperation, _ slices: [UnsafeRawBufferPointer]
    ) -> [UnsafeRawBufferPointer] {
        guard operation.file.isStream else { return slices }
        let total = slices.reduce(0) { $0 + $1.count }
        var left = max(1, min(total, host.share(of: total, operation)))
        var taken: [UnsafeRawBufferPointer] = []
        for slice in slices where left > 0 {
            taken.append(UnsafeRawBufferPointer(rebasing: slice.prefix(left)))
            left -= min(left, slice.count)
        }
        return taken
    }

    // MARK: Others

    private func connect(_ operation: ScriptedOperation, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        let result: Int
        if operation.isConnecting {
            result = operation.file.connectOutcome
        } else {
            guard let address = UnsafePointer<sockaddr>(bitPattern: UInt(entry.pointee.addr)) else {
                return .done(-EFAULT, 0)
            }
            result = operation.file.connect(address, UInt32(truncatingIfNeeded: entry.pointee.off))
        }
        operation.isConnecting = true
        return result == Int(-EINPROGRESS) ? .wouldWait : .done(Int32(truncatingIfNeeded: result), 0)
    }

    private func poll(_ operation: ScriptedOperation, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        let wanted = entry.pointee.poll32_events | UInt32(POLLERR) | UInt32(POLLHUP)
        let found = operation.file.events & wanted
        return found == 0 ? .wouldWait : .done(Int32(bitPattern: found), 0)
    }
}
