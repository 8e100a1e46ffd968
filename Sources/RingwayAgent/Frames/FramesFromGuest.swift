internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol

/// Moves a queue's frames from guest to host: reads frames from the device, puts a length before each, and sends many
/// by one call.
enum FramesFromGuest {
    /// The most bytes gathered per call. Three GSO frames of 64 KiB fit; with more, the first would be evicted from the
    /// processor's cache before it is sent.
    private static var capacity: Int { 256 << 10 }

    /// Runs until the device is deleted or the channel ends.
    ///
    /// - Parameters:
    ///   - queue: non-blocking.
    ///   - socket: blocking.
    static func run(queue: Int32, socket: Int32) -> FramePump.Ending {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 4_096)
        defer { buffer.deallocate() }
        var used = 0
        while true {
            guard gather(queue, buffer, &used) else { return .device }
            if used > 0 {
                guard send(socket, buffer, used) else { return .channel }
                used = 0
            } else {
                var entries = (
                    pollfd(fd: queue, events: Int16(POLLIN), revents: 0), pollfd(fd: socket, events: 0, revents: 0)
                )
                _ = withUnsafeMutableBytes(of: &entries) {
                    poll($0.assumingMemoryBound(to: pollfd.self).baseAddress, 2, -1)
                }
                if entries.1.revents != 0 { return .channel }
            }
        }
    }

    /// Reads frames while there are any and the buffer has room. Returns false if the device was deleted.
    private static func gather(_ queue: Int32, _ buffer: UnsafeMutableRawPointer, _ used: inout Int) -> Bool {
        while capacity - used >= AgentFrame.prefixLength + AgentFrame.maximumLength {
            let frame = buffer + used + AgentFrame.prefixLength
            let count = read(queue, frame, AgentFrame.maximumLength)
            guard count > 0 else {
                if errno == EINTR { continue }
                return errno == EAGAIN
            }
            AgentFrame.writePrefix(count, to: buffer + used)
            used += AgentFrame.prefixLength + count
        }
        return true
    }

    private static func send(_ socket: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        var sent = 0
        while sent < count {
            let taken = Glibc.send(socket, buffer + sent, count - sent, Int32(MSG_NOSIGNAL))
            if taken > 0 {
                sent += taken
            } else if taken == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }
}
