internal import Glibc
internal import RingwayAgentProtocol

/// Moves a queue's frames from host to guest: receives as many as possible by one call, and writes them to the device
/// directly from the buffer.
enum FramesToGuest {
    private static var capacity: Int { 256 << 10 }

    /// Runs until the device is deleted, the channel ends, or the host sends an invalid length.
    ///
    /// - Parameters:
    ///   - queue: non-blocking.
    ///   - socket: blocking.
    static func run(queue: Int32, socket: Int32) -> FramePump.Ending {
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 4_096)
        defer { buffer.deallocate() }
        var start = 0
        var end = 0
        while true {
            var missing = AgentFrame.prefixLength
            while end - start >= AgentFrame.prefixLength {
                let length = AgentFrame.readPrefix(buffer + start)
                guard AgentFrame.lengths.contains(length) else { return .invalidFrame }
                missing = AgentFrame.prefixLength + length - (end - start)
                guard missing <= 0 else { break }
                guard give(buffer + start + AgentFrame.prefixLength, length, queue) else { return .device }
                start += AgentFrame.prefixLength + length
                missing = AgentFrame.prefixLength
            }
            if start == end {
                start = 0
                end = 0
            } else if end + missing > capacity {
                // An incomplete frame is moved to the start of the buffer if the rest of the frame does not fit
                // behind it. Complete frames are never moved.
                memmove(buffer, buffer + start, end - start)
                end -= start
                start = 0
            }
            let count = recv(socket, buffer + end, capacity - end, 0)
            if count > 0 {
                end += count
            } else if count == 0 || errno != EINTR {
                return .channel
            }
        }
    }

    /// Writes a frame to the device, which may drop it, as a wire may. Returns false if the device was deleted.
    private static func give(_ frame: UnsafeMutableRawPointer, _ length: Int, _ queue: Int32) -> Bool {
        while write(queue, frame, length) < 0 {
            switch errno {
            case EINTR: continue
            case EBADF, EBADFD: return false
            default: return true
            }
        }
        return true
    }
}
