internal import CRingway
internal import Glibc

/// Executes operations by non-blocking system calls.
extension EmulatedRing {
    /// The result of one attempt.
    enum Attempt {
        /// The operation would block.
        case wouldWait
        /// The operation has succeeded or failed: its completion's result and flags.
        case done(Int32, UInt32)
    }

    /// Where a read or receive stores its data: the address in the entry, or a provided buffer.
    private struct Target {
        var address: UnsafeMutableRawPointer?
        var length: Int
        /// The completion's flags about the buffer.
        var flags: UInt32 = 0
    }

    /// Where an entry's operation stores its data; `nil` if no provided buffer is left.
    private func target(of entry: UnsafeMutablePointer<io_uring_sqe>) -> Target? {
        let asked = Int(entry.pointee.len)
        guard ringway_selects_buffer(entry) else {
            return Target(address: UnsafeMutableRawPointer(bitPattern: UInt(entry.pointee.addr)), length: asked)
        }
        guard let buffer = provided.next(of: entry.pointee.buf_group) else { return nil }
        return Target(
            address: buffer.address, length: asked == 0 ? buffer.length : min(asked, buffer.length),
            flags: UInt32(buffer.identifier) << 16 | IORING_CQE_F_BUFFER)
    }

    /// Ends an attempt to read or receive. A buffer that received no data stays in its ring.
    private mutating func got(
        _ result: Int64, _ entry: UnsafeMutablePointer<io_uring_sqe>, _ flags: UInt32
    ) -> Attempt {
        guard result > 0, flags != 0 else { return moved(result, entry) }
        provided.take(of: entry.pointee.buf_group)
        return .done(Int32(truncatingIfNeeded: result), flags)
    }

    private func moved(_ result: Int64, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        result == -Int64(EAGAIN) ? .wouldWait : .done(Int32(truncatingIfNeeded: result), 0)
    }

    /// Whether a send or receive waits if it would block. With MSG_DONTWAIT it completes with EAGAIN instead, as in the
    /// kernel.
    static func mayWait(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Bool {
        entry.pointee.msg_flags & UInt32(MSG_DONTWAIT) == 0
    }

    private func moved(message result: Int64, _ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        if result == -Int64(EAGAIN), Self.mayWait(entry) { return .wouldWait }
        return .done(Int32(truncatingIfNeeded: result), 0)
    }

    /// Attempts an operation that needs input, such as a read or an accept.
    mutating func attemptInput(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        let descriptor = entry.pointee.fd
        switch entry.code {
        case .receive:
            guard let target = target(of: entry) else { return .done(-ENOBUFS, 0) }
            let count = ringway_try_receive(descriptor, target.address, target.length, entry.pointee.msg_flags)
            if count > 0 {
                descriptors[descriptor]?.pointee.isDrained = count < target.length
                return got(count, entry, target.flags)
            }
            return moved(message: count, entry)
        case .read, .readMultishot:
            guard let target = target(of: entry) else { return .done(-ENOBUFS, 0) }
            return got(ringway_try_read(descriptor, target.address, target.length), entry, target.flags)
        case .receiveMessage:
            return ringway_selects_buffer(entry) ? receiveRecord(entry) : receiveMessage(entry)
        case .readSlices:
            let slices = UnsafePointer<iovec>(bitPattern: UInt(entry.pointee.addr))
            return moved(ringway_try_read_slices(descriptor, slices, Int32(entry.pointee.len)), entry)
        case .accept:
            let address = UnsafeMutablePointer<sockaddr>(bitPattern: UInt(entry.pointee.addr))
            let length = UnsafeMutablePointer<socklen_t>(bitPattern: UInt(entry.pointee.off))
            return moved(ringway_try_accept(descriptor, address, length, entry.pointee.accept_flags), entry)
        default:
            return .done(-EINVAL, 0)
        }
    }

    private func receiveMessage(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        let message = UnsafeMutablePointer<msghdr>(bitPattern: UInt(entry.pointee.addr))
        return moved(
            message: ringway_try_receive_message(entry.pointee.fd, message, entry.pointee.msg_flags), entry)
    }

    /// Receives a message into a provided buffer: header, sender's name, control data and payload in this order
    /// (io_uring_prep_recvmsg_multishot(3)). The entry's `msghdr` gives the room for name and control data.
    private mutating func receiveRecord(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Attempt {
        guard let buffer = provided.next(of: entry.pointee.buf_group) else { return .done(-ENOBUFS, 0) }
        guard let template = UnsafePointer<msghdr>(bitPattern: UInt(entry.pointee.addr)) else {
            return .done(-EFAULT, 0)
        }
        let nameOffset = MemoryLayout<io_uring_recvmsg_out>.size
        let controlOffset = nameOffset + Int(template.pointee.msg_namelen)
        let payloadOffset = controlOffset + template.pointee.msg_controllen
        guard payloadOffset <= buffer.length else { return .done(-EFAULT, 0) }
        var slice = iovec(iov_base: buffer.address + payloadOffset, iov_len: buffer.length - payloadOffset)
        var message = msghdr()
        let count = withUnsafeMutablePointer(to: &slice) { slice in
            message.msg_name = buffer.address + nameOffset
            message.msg_namelen = template.pointee.msg_namelen
            message.msg_control = buffer.address + controlOffset
            message.msg_controllen = template.pointee.msg_controllen
            message.msg_iov = slice
            message.msg_iovlen = 1
            return ringway_try_receive_message(entry.pointee.fd, &message, entry.pointee.msg_flags)
        }
        guard count >= 0 else { return moved(message: count, entry) }
        buffer.address.storeBytes(
            of: io_uring_recvmsg_out(
                namelen: message.msg_namelen, controllen: UInt32(message.msg_controllen),
                payloadlen: UInt32(count), flags: UInt32(bitPattern: message.msg_flags)),
            as: io_uring_recvmsg_out.self)
        provided.take(of: entry.pointee.buf_group)
        return .done(
            Int32(payloadOffset) + Int32(truncatingIfNeeded: count),
            UInt32(buffer.identifier) << 16 | IORING_CQE_F_BUFFER)
    }

    /// Attempts an operation that needs room for output, such as a write or a connect.
    ///
    /// - Parameter isConnecting: the operation is a connect in progress.
    func attemptOutput(_ entry: UnsafeMutablePointer<io_uring_sqe>, isConnecting: Bool) -> Attempt {
        let descriptor = entry.pointee.fd
        let bytes = UnsafeMutableRawPointer(bitPattern: UInt(entry.pointee.addr))
        switch entry.code {
        case .write: return moved(ringway_try_write(descriptor, bytes, Int(entry.pointee.len)), entry)
        case .writeSlices:
            let slices = UnsafePointer<iovec>(bitPattern: UInt(entry.pointee.addr))
            return moved(ringway_try_write_slices(descriptor, slices, Int32(entry.pointee.len)), entry)
        case .send:
            let count = Int(entry.pointee.len)
            return moved(message: ringway_try_send(descriptor, bytes, count, entry.pointee.msg_flags), entry)
        case .sendMessage:
            let message = UnsafePointer<msghdr>(bitPattern: UInt(entry.pointee.addr))
            return moved(message: ringway_try_send_message(descriptor, message, entry.pointee.msg_flags), entry)
        case .connect:
            guard !isConnecting else { return .done(-ringway_socket_error(descriptor), 0) }
            let address = UnsafePointer<sockaddr>(bitPattern: UInt(entry.pointee.addr))
            let result = ringway_try_connect(descriptor, address, socklen_t(entry.pointee.off))
            return result == -Int64(EINPROGRESS) ? .wouldWait : .done(Int32(truncatingIfNeeded: result), 0)
        default:
            return .done(-EINVAL, 0)
        }
    }

    /// Executes an operation that never blocks.
    mutating func carryOut(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Int32 {
        switch entry.code {
        case .nothing: 0
        case .cancel: cancel(entry)
        case .messageRing: sendMessage(entry)
        case .shutdown:
            Int32(truncatingIfNeeded: ringway_try_shutdown(entry.pointee.fd, Int32(bitPattern: entry.pointee.len)))
        case .close:
            close(entry.pointee.fd)
        default: -EINVAL
        }
    }

    private mutating func close(_ descriptor: Int32) -> Int32 {
        closing(descriptor)
        return Int32(truncatingIfNeeded: ringway_try_close(descriptor))
    }
}
