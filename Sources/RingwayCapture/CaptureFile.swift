internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayWire

/// Writes the pcapng blocks of one capture, and rotates its files. After a failed write, a regular file is truncated
/// to its last whole block, so that it can be read even if the disk is full.
struct CaptureFile: ~Copyable {
    /// The result of a write.
    struct Outcome: Equatable {
        /// Blocks written to a file, and blocks not written.
        var written = 0
        var lost = 0
        /// The `errno` of the failure; zero for none.
        var error: Int32 = 0
    }

    private let options: CaptureOptions
    private var descriptor: Int32
    /// Bytes in the current file.
    private var size: Int
    /// Whether the file is regular, so that a partial block can be removed by truncation. A pipe cannot be truncated.
    private let isRegular: Bool
    /// Whether the file ends with a part of a block or header that cannot be removed, because the file is a pipe or
    /// the truncation failed. Nothing more is written then, because a reader could not parse it.
    private var isTorn = false

    /// Milliseconds for which a write to a full pipe waits for the reader, before it fails with EAGAIN.
    private static var readerTimeout: Int32 { 2_000 }

    /// The most bytes of a path: the kernel's PATH_MAX without the terminating zero.
    private static var longestPath: Int { 4_095 }

    /// Creates the file, or empties it, and writes its header.
    init(_ options: CaptureOptions) throws(CaptureFailure) {
        (descriptor, isRegular) = try Self.create(options)
        size = CaptureWriter.fileHeaderLength
        self.options = options
    }

    deinit { close(descriptor) }

    private static func create(
        _ options: CaptureOptions
    ) throws(CaptureFailure) -> (descriptor: Int32, isRegular: Bool) {
        guard !options.path.isEmpty, options.path.utf8.count <= longestPath else {
            throw CaptureFailure("the name of the capture file has 1 to \(longestPath) bytes")
        }
        guard options.fileSize == nil || !isDescriptor(options.path) else {
            throw CaptureFailure(
                "\(options.path) is a descriptor of the process, so no further files can take its place")
        }
        let descriptor = open(options.path)
        guard descriptor >= 0 else {
            guard errno == ELOOP else { throw failure("create", options.path) }
            throw CaptureFailure("\(options.path) is a symbolic link, which a capture does not follow")
        }
        var status = stat()
        let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        guard options.fileSize == nil || isRegular else {
            close(descriptor)
            throw CaptureFailure("\(options.path) is no regular file, so no further files can take its place")
        }
        let error = writeHeader(to: descriptor, options)
        guard error == 0 else {
            close(descriptor)
            throw failure("write", options.path, error)
        }
        return (descriptor, isRegular)
    }

    /// Opens a capture file. A symbolic link at the end of the path is not followed, because any user with write access
    /// to the directory could create one that leads to another file, which would be overwritten. The links of this
    /// process's own descriptors (`isDescriptor`) are followed: they lead to files that the process has open.
    private static func open(_ path: String) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK
        return ringway_open(path, isDescriptor(path) ? flags : flags | O_NOFOLLOW, 0o600)
    }

    /// Whether a path names a descriptor of this process. A path that continues after the number does not: it could
    /// lead to any file, for example through "..".
    private static func isDescriptor(_ path: String) -> Bool {
        guard path != "/dev/stdout", path != "/dev/stderr" else { return true }
        guard let directory = ["/dev/fd/", "/proc/self/fd/"].first(where: { path.hasPrefix($0) }) else { return false }
        let number = path.utf8.dropFirst(directory.utf8.count)
        return !number.isEmpty && number.allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func failure(_ verb: String, _ path: String, _ error: Int32 = errno) -> CaptureFailure {
        CaptureFailure("cannot \(verb) the capture file \(path): \(String(cString: strerror(error)))")
    }

    /// Writes a file's header. A regular file whose header cannot be written is truncated to zero bytes.
    ///
    /// - Returns: zero or the `errno`.
    private static func writeHeader(to descriptor: Int32, _ options: CaptureOptions) -> Int32 {
        withUnsafeTemporaryAllocation(byteCount: CaptureWriter.fileHeaderLength, alignment: 8) { bytes in
            guard let start = bytes.baseAddress else { return EINVAL }
            CaptureWriter.writeFileHeader(to: start, snapLength: options.snapLength)
            let (_, error) = writeAll(UnsafeRawBufferPointer(bytes), to: descriptor)
            // The truncation fails for a pipe, whose data cannot be removed again.
            if error != 0 { _ = ftruncate(descriptor, 0) }
            return error
        }
    }

    private mutating func beginFile() -> Int32 {
        let error = Self.writeHeader(to: descriptor, options)
        size = error == 0 ? CaptureWriter.fileHeaderLength : 0
        if error != 0 {
            var status = stat()
            isTorn = fstat(descriptor, &status) == 0 && status.st_size > 0
        }
        return error
    }

    /// Appends contiguous blocks. At a block for which `options.fileSize` leaves no room, the files are rotated.
    mutating func append(_ blocks: UnsafeRawBufferPointer) -> Outcome {
        var outcome = Outcome()
        guard !isTorn else {
            return Outcome(lost: Self.whole(blocks, within: .max).count, error: isRegular ? EIO : EPIPE)
        }
        var rest = blocks
        while !rest.isEmpty {
            // If an earlier call failed to write a file's header or to rotate the files, this call tries again.
            var error = size == 0 ? beginFile() : 0
            var (count, bytes) = Self.whole(rest, within: room)
            if error == 0, count == 0 {
                error = rotate()
                (count, bytes) = error == 0 ? Self.whole(rest, within: max(room, Self.length(of: rest))) : (0, 0)
            }
            guard error == 0 else {
                outcome.lost += Self.whole(rest, within: .max).count
                outcome.error = error
                return outcome
            }
            let (taken, failure) = Self.writeAll(
                UnsafeRawBufferPointer(rebasing: rest[..<bytes]), to: descriptor)
            if failure != 0 {
                let (kept, length) = Self.whole(rest, within: taken)
                isTorn = taken > length && !cut(to: size + length)
                size += length
                outcome.written += kept
                outcome.lost += Self.whole(rest, within: .max).count - kept
                outcome.error = failure
                return outcome
            }
            size += bytes
            outcome.written += count
            rest = UnsafeRawBufferPointer(rebasing: rest[bytes...])
        }
        return outcome
    }

    /// Ends the file with a block of statistics.
    mutating func finish(received: Int, dropped: Int) {
        withUnsafeTemporaryAllocation(byteCount: CaptureWriter.statisticsLength, alignment: 8) { bytes in
            guard let start = bytes.baseAddress else { return }
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            CaptureWriter.writeStatistics(
                to: start, nanosecondsSince1970: UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec),
                received: UInt64(received), dropped: UInt64(dropped))
            // A failure is ignored, because the block is optional.
            if size > 0 { _ = append(UnsafeRawBufferPointer(bytes)) }
        }
    }

    /// Bytes that may still be written to the current file before it reaches the size limit.
    private var room: Int { options.fileSize.map { max(0, $0 - size) } ?? .max }

    /// Truncates the file to remove a partial block.
    ///
    /// - Returns: false if that is impossible.
    private func cut(to length: Int) -> Bool { isRegular && ftruncate(descriptor, off_t(length)) == 0 }

    /// Renames each file to the next higher number (`path` to `path.1`), and begins a new file at `path`. The oldest
    /// file is replaced by the second oldest. If only one file is kept, it is emptied instead.
    ///
    /// The new file is opened first, as `path.0`, because each failed attempt would otherwise cost the oldest file.
    ///
    /// - Returns: zero or the `errno`.
    private mutating func rotate() -> Int32 {
        let fresh = Self.open(options.fileCount > 1 ? name(0) : options.path)
        guard fresh >= 0 else { return errno }
        if options.fileCount > 1 {
            let error = shift()
            guard error == 0 else {
                close(fresh)
                _ = ringway_path_unlink(name(0))
                return error
            }
        }
        close(descriptor)
        descriptor = fresh
        size = 0
        return beginFile()
    }

    /// Renames the files, from the oldest to `path.0`.
    ///
    /// - Returns: zero or the `errno`.
    private func shift() -> Int32 {
        // Files behind a gap, which an earlier attempt may have left, keep their numbers: otherwise each attempt that
        // fails halfway would cost the oldest one.
        let last = options.fileCount - 1
        let end = (1..<last).first { ringway_path_type(name($0)) == 0 } ?? last
        for number in stride(from: end, through: 1, by: -1) {
            let older = number == 1 ? options.path : name(number - 1)
            if ringway_path_rename(older, name(number)) != 0, errno != ENOENT { return errno }
        }
        return ringway_path_rename(name(0), options.path) == 0 ? 0 : errno
    }

    private func name(_ number: Int) -> String { "\(options.path).\(number)" }

    /// Writes as many of the bytes as possible.
    ///
    /// - Returns: the number of bytes written, and zero or the `errno` of the failure.
    private static func writeAll(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32
    ) -> (count: Int, error: Int32) {
        var done = 0
        while done < bytes.count {
            let count = write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
            if count > 0 {
                done += count
            } else if count < 0, errno == EAGAIN {
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                if poll(&entry, 1, readerTimeout) == 0 { return (done, EAGAIN) }
            } else if count == 0 || errno != EINTR {
                return (done, count == 0 ? ENOSPC : errno)
            }
        }
        return (done, 0)
    }

    // MARK: Blocks

    /// The number of whole blocks at the start of `blocks` that together have at most `limit` bytes, and the total
    /// length of these blocks in bytes.
    private static func whole(_ blocks: UnsafeRawBufferPointer, within limit: Int) -> (count: Int, bytes: Int) {
        var (count, bytes) = (0, 0)
        while bytes < blocks.count {
            let next = length(of: UnsafeRawBufferPointer(rebasing: blocks[bytes...]))
            guard next <= limit - bytes else { break }
            bytes += next
            count += 1
        }
        return (count, bytes)
    }

    /// The length of the first block in bytes, read from bytes 4 to 7 of the block.
    private static func length(of block: UnsafeRawBufferPointer) -> Int {
        precondition(block.count >= 12, "blocks are whole")
        let length = Int(block.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        precondition(length >= 12 && length <= block.count, "blocks are whole")
        return length
    }
}
