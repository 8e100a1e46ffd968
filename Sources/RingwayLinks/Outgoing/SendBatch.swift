internal import CRingway
internal import Glibc
internal import RingwayStorage

/// The content of one send call: staged bytes in the batch's own memory, and slices of leased buffers between them.
///
/// For a byte stream the slices are contiguous; for a datagram link each slice is one datagram.
struct SendBatch {
    /// The limit of staged bytes, and of all bytes of a batch: a few super-frames, enough to amortise the call but
    /// still in the cache when the kernel copies them.
    static var byteLimit: Int { 256 << 10 }
    static var sliceLimit: Int { 256 }

    let staging: UnsafeMutableRawPointer
    private let slices: UnsafeMutablePointer<iovec>
    private let leases: UnsafeMutablePointer<Lease>
    private let header: UnsafeMutablePointer<msghdr>
    /// Staged bytes, and all bytes.
    private(set) var staged = 0
    private(set) var byteCount = 0
    private(set) var sliceCount = 0
    private var leaseCount = 0
    /// Slices that are completely sent.
    private(set) var sent = 0

    init() throws(MemoryFailure) {
        var blocks = MemoryBlocks()
        staging = try blocks.pages(Self.byteLimit)
        slices = try blocks.apart(Self.sliceLimit, of: iovec.self)
        leases = try blocks.apart(2 * Self.sliceLimit, of: Lease.self)
        header = try blocks.apart(1, of: msghdr.self)
        blocks.keep()
        header.initialize(to: msghdr())
    }

    func deallocate() {
        staging.deallocate()
        slices.deallocate()
        leases.deallocate()
        header.deallocate()
    }

    var isEmpty: Bool { sliceCount == 0 }
    /// The address of the next staged byte.
    var end: UnsafeMutableRawPointer { staging + staged }

    /// Whether `count` more bytes can be staged, in their own slice.
    @inline(__always)
    func hasRoom(for count: Int) -> Bool { staged &+ count <= Self.byteLimit && sliceCount < Self.sliceLimit }

    /// Whether there is room for the slices of one more frame that is sent from its own buffer.
    func hasRoomForReference(_ count: Int) -> Bool {
        sliceCount &+ 3 <= Self.sliceLimit && (byteCount == 0 || byteCount &+ count <= Self.byteLimit)
            && hasRoom(for: 64)
    }

    /// Adds bytes that were written to `end`, as a new slice or joined to the last one.
    @inline(__always)
    mutating func stage(_ count: Int, joining: Bool) {
        if joining, sliceCount > 0, let base = slices[sliceCount &- 1].iov_base,
            base + slices[sliceCount &- 1].iov_len == end
        {
            slices[sliceCount &- 1].iov_len &+= count
        } else {
            slices[sliceCount] = iovec(iov_base: end, iov_len: count)
            sliceCount &+= 1
        }
        staged &+= count
        byteCount &+= count
    }

    /// Adds a slice of a buffer.
    mutating func refer(to piece: UnsafeRawBufferPointer) {
        slices[sliceCount] = iovec(iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress), iov_len: piece.count)
        sliceCount &+= 1
        byteCount &+= piece.count
    }

    /// Keeps a reference to a buffer until the batch is sent.
    mutating func keep(_ lease: Lease) {
        leases[leaseCount] = lease
        leaseCount &+= 1
    }

    /// The unsent slices, as one message.
    func message() -> UnsafeMutablePointer<msghdr> {
        header.pointee = msghdr()
        header.pointee.msg_iov = slices + sent
        header.pointee.msg_iovlen = sliceCount - sent
        return header
    }

    /// Records sent bytes; true if they were the last.
    mutating func advance(by count: Int) -> Bool {
        var rest = count
        while sent < sliceCount {
            let length = slices[sent].iov_len
            guard rest >= length else {
                if rest > 0, let base = slices[sent].iov_base {
                    slices[sent] = iovec(iov_base: base + rest, iov_len: length - rest)
                }
                return false
            }
            rest -= length
            sent += 1
        }
        return true
    }

    /// Sends datagrams until the socket accepts no more.
    ///
    /// - Returns: zero if all are sent, EAGAIN if the socket must become writable first, or another `errno`.
    mutating func sendDatagrams(_ descriptor: Int32, refused: () -> Void) -> Int32 {
        while sent < sliceCount {
            let result = ringway_send_datagrams(descriptor, slices + sent, UInt32(sliceCount - sent))
            switch -result {
            case ..<0: sent += Int(result)
            case EINTR: continue
            // The queue is full or the datagram too long: it is dropped, as on a wire. The next one may succeed.
            case ENOBUFS, ENOMEM, EMSGSIZE, EPERM:
                refused()
                sent += 1
            case let error: return error
            }
        }
        return 0
    }

    /// Empties the batch and releases its buffers.
    mutating func clear(_ pool: UnsafeMutablePointer<BufferPool>) {
        for index in 0..<leaseCount { pool.pointee.release(leases[index]) }
        staged = 0
        byteCount = 0
        sliceCount = 0
        leaseCount = 0
        sent = 0
    }
}
