internal import CRingway
internal import Glibc
internal import RingwayWire

/// Frames written to a capture file, for `--capture`. One `writev` per frame on a file opened for appending: frames of
/// several shards never mix. Off, it costs the one comparison its callers make.
extension Shard {
    /// - Parameters:
    ///   - head: virtio-net header and the frame, or its first piece.
    ///   - payload: the second piece, of `count` octets.
    func capture(
        _ direction: CaptureWriter.Direction, _ head: UnsafeRawBufferPointer, _ payload: UnsafeMutableRawPointer?,
        count: Int
    ) {
        guard head.count > VirtioNetHeader.length, let base = head.baseAddress else { return }
        let first = head.count - VirtioNetHeader.length
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let nanoseconds = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        let total = first + count
        withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { scratch in
            guard let start = scratch.baseAddress else { return }
            CaptureWriter.writePacketHeader(
                to: start, nanosecondsSince1970: nanoseconds, capturedLength: total, originalLength: total)
            let trailerLength = CaptureWriter.writePacketTrailer(
                to: start + 64, capturedLength: total, direction: direction)
            withUnsafeTemporaryAllocation(of: iovec.self, capacity: 4) { slices in
                slices[0] = iovec(iov_base: start, iov_len: CaptureWriter.packetHeaderLength)
                slices[1] = iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: base) + VirtioNetHeader.length, iov_len: first)
                slices[2] = iovec(iov_base: payload ?? start, iov_len: count)
                slices[3] = iovec(iov_base: start + 64, iov_len: trailerLength)
                _ = writev(shared.configuration.capture, slices.baseAddress, 4)
            }
        }
    }
}
