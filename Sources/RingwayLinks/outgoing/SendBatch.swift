internal import CRingway
internal import Glibc
internal import RingwayStorage

/// What goes to the kernel in one call: bytes staged in memory of our own, and slices of leased buffers between them.
///
/// For a byte stream the slices follow each other without a seam; for a datagram link each is one datagram.
struct SendBatch {
    /// Bytes of staging, and of all that one batch carries: some super-frames, so that a batch is worth its call, and yet
    /// in the cache when the kernel copies it.
    static var byteLimit: Int { 256 << 10 }
    static var sliceLimit: Int { 256 }

    let staging: UnsafeMutableRawPointer
    private let slices: UnsafeMutablePointer<iovec>
    private let leases: UnsafeMutablePointer<Lease>
    private let header: UnsafeMutablePointer<msghdr>
    /// Bytes of staging in use, and of everything.
    private(set) var staged = 0
    private(set) var byteCount = 0
    private(set) var sliceCount = 0
    private var leaseCount = 0
    /// Slices that the kernel has taken whole.
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
    /// Where the next bytes are staged.
    var end: UnsafeMutableRawPointer { staging + staged }

    /// Whether so many bytes more can be staged, in a slice of their own.
    @inline(__always)
    func hasRoom(for count: Int) -> Bool { staged &+ count <= Self.byteLimit && sliceCount < Self.sliceLimit }

    /// Whether the slices of one more frame fit that is sent from where it lies.
    func hasRoomForReference(_ count: Int) -> Bool {
        sliceCount &+ 3 <= Self.sliceLimit && (byteCount == 0 || byteCount &+ count <= Self.byteLimit)
            && hasRoom(for: 64)
    }

    /// Takes over bytes that were written to `end`, as a slice of their own or joined to what was staged before.
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

    /// Adds a slice that lies in a buffer.
    mutating func refer(to piece: UnsafeRawBufferPointer) {
        slices[sliceCount] = iovec(iov_base: UnsafeMutableRawPointer(mutating: piece.baseAddress), iov_len: piece.count)
        sliceCount &+= 1
        byteCount &+= piece.count
    }

    /// Keeps a hold until the batch is sent.
    mutating func keep(_ lease: Lease) {
        leases[leaseCount] = lease
        leaseCount &+= 1
    }

    /// What is still to be sent, as one message.
    func message() -> UnsafeMutablePointer<msghdr> {
        header.pointee = msghdr()
        header.pointee.msg_iov = slices + sent
        header.pointee.msg_iovlen = sliceCount - sent
        return header
    }

    /// Takes note of bytes sent; true when they were the last.
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

    /// Hands datagrams to the kernel until it takes no more.
    ///
    /// - Returns: zero when all are gone, EAGAIN when the socket must become writable first, or what it failed with.
    mutating func sendDatagrams(_ descriptor: Int32, refused: () -> Void) -> Int32 {
        while sent < sliceCount {
            let result = ringway_send_datagrams(descriptor, slices + sent, UInt32(sliceCount - sent))
            switch -result {
            case ..<0: sent += Int(result)
            case EINTR: continue
            // The way is full or this datagram too long for it: it is lost, as a frame is on a wire. The next may pass.
            case ENOBUFS, ENOMEM, EMSGSIZE, EPERM:
                refused()
                sent += 1
            case let error: return error
            }
        }
        return 0
    }

    /// Makes it empty; buffers go back.
    mutating func clear(_ pool: UnsafeMutablePointer<BufferPool>) {
        for index in 0..<leaseCount { pool.pointee.release(leases[index]) }
        staged = 0
        byteCount = 0
        sliceCount = 0
        leaseCount = 0
        sent = 0
    }
}
