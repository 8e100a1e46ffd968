internal import Glibc
internal import RingwayWire

/// The pcapng file of `--capture`.
enum CaptureFile {
    /// Creates the file, or empties it, and writes its header. The descriptor appends.
    static func create(_ path: String) throws(VirtualNetwork.Failure) -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw VirtualNetwork.Failure("cannot create the capture file \(path): \(String(cString: strerror(errno)))")
        }
        let written = withUnsafeTemporaryAllocation(
            byteCount: CaptureWriter.fileHeaderLength, alignment: 8
        ) { bytes -> Int in
            guard let base = bytes.baseAddress else { return -1 }
            CaptureWriter.writeFileHeader(to: base)
            return write(descriptor, base, CaptureWriter.fileHeaderLength)
        }
        guard written == CaptureWriter.fileHeaderLength else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw VirtualNetwork.Failure("cannot write the capture file \(path): \(reason)")
        }
        return descriptor
    }
}
