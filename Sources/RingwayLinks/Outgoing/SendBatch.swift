internal import CRingway
internal import Glibc
internal import RingwayStorage

/// The frames that are sent together: *staged* bytes, copied into the batch's own memory, and slices of leased
/// buffers between them.
///
/// A byte stream sends all slices one after the other; on a datagram link each slice is one datagram.
struct SendBatch {
    /// The most bytes of a batch, staged or not, unless it is a single frame in its own buffers. The limit allows a few
    /// super-frames: enough to amortise the system call, but few enough to be still in the cache when the kernel copies
    /// them.
    static var byteLimit: Int { 256 << 10 }
    static var sliceLimit: Int { 256 }

    let staging: UnsafeMutableRawPointer
    private let slices: UnsafeMutablePointer<iovec>
    private let leases: UnsafeMutablePointer<Lease>
    private let header: UnsafeMutablePointer<msghdr>
    /// The number of staged bytes, and of all bytes of the batch.
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

    /// Whether there is room to stage `count` more bytes as a separate slice.
    @inline(__always)
    func hasRoom(for count: Int) -> Bool { byteCount &+ count <= Self.byteLimit && sliceCount < Self.sliceLimit }

    /// Whether there is room for one more frame that is sent from its own buffers. It takes a slice for its length
    /// prefix, and two slices for its pieces.
    func hasRoomForReference(_ count: Int) -> Bool {
        sliceCount &+ 3 <= Self.sliceLimit && (byteCount == 0 || byteCount &+ count <= Self.byteLimit)
            && hasRoom(for: 64)
    }

    /// Adds bytes that were written to `end`: as a new slice or, with `joining`, to the last slice if that slice ends
    /// at `end`.
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

    /// Takes over a reference to a buffer, which is released when the batch has been sent.
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

    /// Records that `count` more bytes are sent. Returns true if the whole batch is sent.
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

    /// Sends datagrams until the socket accepts no more. `refused` is called for each datagram that is dropped.
    ///
    /// - Returns: zero if all are sent or dropped, EAGAIN if the socket must become writable first, or another
    ///   `errno`.
    mutating func sendDatagrams(_ descriptor: Int32, refused: () -> Void) -> Int32 {
        while sent < sliceCount {
            let result = ringway_send_datagrams(descriptor, slices + sent, UInt32(sliceCount - sent))
            switch -result {
            case ..<0: sent += Int(result)
            case EINTR: continue
            // The socket's queue is full, the datagram is too long, or a packet filter refuses it (EPERM): this
            // datagram is dropped, as on a wire. The next one may succeed.
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
