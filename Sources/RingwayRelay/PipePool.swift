internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A pipe(7): where bytes are between two sockets.
@frozen
public struct Pipe: BitwiseCopyable {
    public var reading: Int32
    public var writing: Int32

    /// No pipe.
    public static var none: Pipe { Pipe(reading: -1, writing: -1) }

    public var isNone: Bool { reading < 0 }

    /// Makes one that holds up to `bytes`, or less where the kernel grants a user no more; `nil` when no descriptor is
    /// left.
    static func make(bytes: Int32) -> Pipe? {
        guard let ends = HostCalls.pipe() else { return nil }
        // What a user may pin in pipes is bounded (fs.pipe-user-pages-soft); a smaller one serves as well.
        var room = bytes
        while room > 65_536, HostCalls.setPipeSize(ends.1, room) < 0 { room /= 4 }
        return Pipe(reading: ends.0, writing: ends.1)
    }

    func close() {
        HostCalls.close(reading)
        HostCalls.close(writing)
    }
}

/// Empty pipes that wait for their next use: a direction has one only while bytes are in it.
public struct PipePool: ~Copyable {
    /// Pipes kept.
    public static var capacity: Int { 16 }
    /// Bytes asked for: what one system call moves at the most.
    public static var pipeBytes: Int { 1 << 20 }

    /// Bytes copied at a time where there is no pipe.
    private static var copyBytes: Int { 65_536 }

    private let idle: UnsafeMutablePointer<Pipe>
    private var count = 0
    /// Allocated when bytes are copied for the first time.
    private var copy: UnsafeMutableRawPointer?
    /// Times that no pipe could be had.
    public private(set) var exhaustions = 0

    /// Pipes that may exist at once.
    private let limit: Int
    private var made = 0
    /// Whether further pipes may be made; what there is stays in use.
    public var mayGrow = true

    /// - Parameter limit: pipes that may exist at once.
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

    /// An empty pipe, the one used last where there is one; `nil` when no descriptor is left.
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

    /// Takes an empty pipe back.
    public mutating func put(_ pipe: Pipe) {
        guard count < Self.capacity else { return discard(pipe) }
        idle[count] = pipe
        count += 1
    }

    /// Copies what a socket has, without taking it, `limit` bytes at the most.
    ///
    /// - Returns: how many, or a negated `errno`.
    mutating func peek(_ source: Int32, limit: Int) -> Int {
        if copy == nil { copy = ringway_allocate(Self.copyBytes, 64) }
        guard let copy else { return Int(-ENOMEM) }
        let count = HostCalls.receive(source, copy, min(limit, Self.copyBytes), Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count < 0 ? Int(-errno) : count
    }

    /// Sends bytes that were peeked at, and takes from the source as many as the sink took.
    ///
    /// - Returns: how many, or a negated `errno`.
    func pass(_ count: Int, from source: Int32, to sink: Int32) -> Int {
        guard let copy else { return Int(-ENOMEM) }
        let sent = HostCalls.send(sink, copy, count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        guard sent > 0 else { return sent < 0 ? Int(-errno) : 0 }
        // The same bytes once more: only TCP would discard them without copying.
        _ = HostCalls.receive(source, copy, sent, Int32(MSG_DONTWAIT))
        return sent
    }

    /// Descriptors of all pipes, those in use and those that wait.
    public var descriptors: Int { 2 * made }

    /// Closes the pipes that wait for their next use; false when there are none.
    public mutating func closeIdle() -> Bool {
        guard count > 0 else { return false }
        while count > 0 {
            count -= 1
            discard(idle[count])
        }
        return true
    }

    /// Closes a pipe that is not empty.
    public mutating func discard(_ pipe: Pipe) {
        pipe.close()
        made -= 1
    }
}
