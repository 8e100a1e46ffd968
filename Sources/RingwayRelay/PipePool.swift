internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A pipe(7), through which bytes are spliced between two sockets.
@frozen
public struct Pipe: BitwiseCopyable {
    public var reading: Int32
    public var writing: Int32

    /// No pipe.
    public static var none: Pipe { Pipe(reading: -1, writing: -1) }

    public var isNone: Bool { reading < 0 }

    /// Creates a pipe of `bytes`, or a smaller one if the kernel refuses that size; `nil` if no descriptor is free.
    static func make(bytes: Int32) -> Pipe? {
        guard let ends = HostCalls.pipe() else { return nil }
        // The pipe memory of a user is limited (fs.pipe-user-pages-soft), but a smaller pipe works as well.
        var room = bytes
        while room > 65_536, HostCalls.setPipeSize(ends.1, room) < 0 { room /= 4 }
        return Pipe(reading: ends.0, writing: ends.1)
    }

    func close() {
        HostCalls.close(reading)
        HostCalls.close(writing)
    }
}

/// A pool of empty pipes. A `RelayDirection` has a pipe only while bytes are in it, so a few pipes serve many relays.
public struct PipePool: ~Copyable {
    /// The maximum number of idle pipes.
    public static var capacity: Int { 16 }
    /// The pipe size requested, which is the most that one system call moves.
    public static var pipeBytes: Int { 1 << 20 }

    /// The most bytes that are copied at a time if there is no pipe.
    private static var copyBytes: Int { 65_536 }

    private let idle: UnsafeMutablePointer<Pipe>
    private var count = 0
    /// The memory for copies, allocated on the first copy.
    private var copy: UnsafeMutableRawPointer?
    /// Times that no pipe was available.
    public private(set) var exhaustions = 0

    /// The most pipes at a time.
    private let limit: Int
    private var made = 0
    /// Whether more pipes may be created; existing ones stay in use.
    public var mayGrow = true

    /// - Parameter limit: the most pipes at a time.
    public init(limit: Int = .max) {
        self.limit = limit
        idle = .allocate(capacity: Self.capacity)
        idle.initialize(repeating: .none, count: Self.capacity)
    }

    deinit {
        for index in 0..<count { idle[index].close() }
        idle.deallocate()
        copy?.deallocate()
    }

    /// The most recently used empty pipe, or a new one; `nil` if no pipe may be created or no descriptor is free.
    public mutating func take() -> Pipe? {
        guard count == 0 else {
            count -= 1
            return idle[count]
        }
        if mayGrow, made < limit, let pipe = Pipe.make(bytes: Int32(Self.pipeBytes)) {
            made += 1
            return pipe
        }
        exhaustions += 1
        return nil
    }

    /// Returns an empty pipe to the pool, or closes it if the pool is full.
    public mutating func put(_ pipe: Pipe) {
        guard count < Self.capacity else { return discard(pipe) }
        idle[count] = pipe
        count += 1
    }

    /// Copies bytes that a socket has received, at most `limit` and 64 KiB, without removing them (MSG_PEEK).
    ///
    /// - Returns: the number of bytes, or a negated `errno`.
    mutating func peek(_ source: Int32, limit: Int) -> Int {
        if copy == nil { copy = ringway_allocate(Self.copyBytes, 64) }
        guard let copy else { return Int(-ENOMEM) }
        let count = HostCalls.receive(source, copy, min(limit, Self.copyBytes), Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count < 0 ? Int(-errno) : count
    }

    /// Sends peeked bytes, and removes from the source as many as the sink accepted.
    ///
    /// - Returns: the number of bytes, or a negated `errno`.
    func pass(_ count: Int, from source: Int32, to sink: Int32) -> Int {
        guard let copy else { return Int(-ENOMEM) }
        let sent = HostCalls.send(sink, copy, count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        guard sent > 0 else { return sent < 0 ? Int(-errno) : 0 }
        // Removes the sent bytes from the source by receiving them again, because only TCP sockets can discard bytes
        // without a copy (MSG_TRUNC).
        _ = HostCalls.receive(source, copy, sent, Int32(MSG_DONTWAIT))
        return sent
    }

    /// Descriptors of all pipes, in use or idle.
    public var descriptors: Int { 2 * made }

    /// Closes the idle pipes. Returns false if there are none.
    public mutating func closeIdle() -> Bool {
        guard count > 0 else { return false }
        while count > 0 {
            count -= 1
            discard(idle[count])
        }
        return true
    }

    /// Closes a pipe instead of returning it to the pool. Bytes in the pipe are lost.
    public mutating func discard(_ pipe: Pipe) {
        pipe.close()
        made -= 1
    }
}
