public import CRingway
internal import Glibc

/// The operations of a ring, named after their system calls.
///
/// Each queues one submission. Its completion has the tag that was given, and the result of the system call or a
/// negated `errno`. The caller owns descriptors and memory; memory must stay in place until the operation completes.
/// A *multishot* operation completes repeatedly; a completion without `Completion.hasMore`, for example after an
/// error or `cancel`, is the last. With a `group`, the kernel takes a buffer from that buffer ring when data arrives,
/// and the completion identifies the buffer.
extension Ring {
    /// Queues one submission for the current tenant. No other function writes `user_data`. The tag is written last,
    /// because some versions of liburing clear `user_data` when an entry is filled.
    @inline(__always)
    mutating func add(_ tag: OperationTag, _ fill: (UnsafeMutablePointer<io_uring_sqe>) -> Void) {
        let entry = prepare()
        fill(entry)
        entry.pointee.user_data = tag.rawValue | tenantBits
    }

    // MARK: Connections

    /// connect(2). The address must stay in place.
    public mutating func connect(
        _ descriptor: Int32, to address: UnsafePointer<sockaddr>, length: UInt32, _ tag: OperationTag
    ) {
        add(tag) { io_uring_prep_connect($0, descriptor, address, length) }
    }

    /// accept(2), multishot; accepted sockets are non-blocking and closed on exec.
    ///
    /// - Parameter pollsFirst: whether the kernel polls before it first tries to accept, which saves that attempt if
    ///   no client waits (`KernelFeatures.acceptsPollFirst`).
    public mutating func acceptMultishot(_ descriptor: Int32, pollsFirst: Bool, _ tag: OperationTag) {
        add(tag) { ringway_prepare_accept_multishot($0, descriptor, pollsFirst) }
    }

    // MARK: Readiness

    /// poll(2), once. Errors and hang-up are always reported.
    public mutating func poll(_ descriptor: Int32, _ events: UInt32, _ tag: OperationTag) {
        add(tag) { ringway_prepare_poll($0, descriptor, events) }
    }

    /// poll(2), multishot.
    public mutating func pollMultishot(_ descriptor: Int32, _ events: UInt32, _ tag: OperationTag) {
        add(tag) { ringway_prepare_poll_multishot($0, descriptor, events) }
    }

    // MARK: Devices and other files

    /// read(2).
    public mutating func read(_ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, _ tag: OperationTag) {
        add(tag) { io_uring_prep_read($0, descriptor, buffer.baseAddress, UInt32(buffer.count), 0) }
    }

    /// read(2) of at most `length` bytes into a buffer of `group`.
    public mutating func read(_ descriptor: Int32, upTo length: UInt32, group: UInt16, _ tag: OperationTag) {
        add(tag) { ringway_prepare_read_select($0, descriptor, length, group) }
    }

    /// read(2) into buffers of `group`, multishot (`KernelFeatures.hasMultishotRead`).
    public mutating func readMultishot(_ descriptor: Int32, group: UInt16, _ tag: OperationTag) {
        add(tag) { ringway_prepare_read_multishot($0, descriptor, group) }
    }

    /// write(2).
    public mutating func write(
        _ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, length: UInt32, _ tag: OperationTag
    ) {
        add(tag) { io_uring_prep_write($0, descriptor, bytes, length, 0) }
    }

    /// writev(2). The array of slices must stay in place, like the bytes to which it points.
    public mutating func write(
        _ descriptor: Int32, _ slices: UnsafeMutablePointer<iovec>, count: UInt32, _ tag: OperationTag
    ) {
        add(tag) { io_uring_prep_writev($0, descriptor, slices, count, 0) }
    }

    // MARK: Sockets

    /// recv(2).
    public mutating func receive(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, _ tag: OperationTag
    ) {
        add(tag) { io_uring_prep_recv($0, descriptor, buffer.baseAddress, buffer.count, 0) }
    }

    /// recv(2) of at most `length` bytes into a buffer of `group`.
    public mutating func receive(_ descriptor: Int32, upTo length: UInt32, group: UInt16, _ tag: OperationTag) {
        add(tag) { ringway_prepare_receive_select($0, descriptor, length, group) }
    }

    /// recv(2) into buffers of `group`, multishot.
    public mutating func receiveMultishot(_ descriptor: Int32, group: UInt16, _ tag: OperationTag) {
        add(tag) { ringway_prepare_receive_multishot($0, descriptor, group) }
    }

    /// recvmsg(2) into buffers of `group`, multishot. Each buffer gets a `struct io_uring_recvmsg_out`, then name,
    /// control data and payload (io_uring_prep_recvmsg_multishot(3)).
    ///
    /// - Parameter template: the sizes of name and control data; must stay in place until the operation has ended.
    public mutating func receiveMessageMultishot(
        _ descriptor: Int32, _ template: UnsafeMutablePointer<msghdr>, group: UInt16, _ tag: OperationTag
    ) {
        add(tag) { ringway_prepare_receive_message_multishot($0, descriptor, template, group) }
    }

    /// send(2).
    public mutating func send(
        _ descriptor: Int32, _ bytes: UnsafeRawPointer, _ length: Int, flags: Int32, _ tag: OperationTag
    ) {
        add(tag) { io_uring_prep_send($0, descriptor, bytes, length, flags) }
    }

    /// sendmsg(2). Everything to which the header points must stay in place.
    public mutating func send(
        _ descriptor: Int32, message: UnsafePointer<msghdr>, flags: Int32, _ tag: OperationTag
    ) {
        add(tag) { io_uring_prep_sendmsg($0, descriptor, message, UInt32(bitPattern: flags)) }
    }

    // MARK: Other operations and rings

    /// Cancels the current tenant's operation with the tag `other`. That operation completes, and so does the cancel.
    public mutating func cancel(_ other: OperationTag, _ tag: OperationTag) {
        let target = other.rawValue | tenantBits
        add(tag) { ringway_prepare_cancel_tag($0, target) }
    }

    /// Cancels all operations on a descriptor that were queued before. Each of them completes, and so does this
    /// operation.
    public mutating func cancelAll(of descriptor: Int32, _ tag: OperationTag) {
        add(tag) { ringway_prepare_cancel_descriptor($0, descriptor) }
    }

    /// Posts a completion with `tag` to another ring. On this ring there is a completion, with tag zero, only on
    /// failure.
    public mutating func post(_ tag: OperationTag, toRing descriptor: Int32) {
        let submitter = tenant
        tenant = 0
        add(OperationTag(rawValue: 0)) {
            ringway_prepare_wake($0, descriptor, tag.rawValue)
            ringway_skip_success($0)
        }
        tenant = submitter
        submissions &-= 1
    }
}
