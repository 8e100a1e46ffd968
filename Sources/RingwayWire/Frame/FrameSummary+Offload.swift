extension FrameSummary {
    /// The fields of the virtio-net header of the frame being parsed, each loaded once.
    struct Offload: BitwiseCopyable {
        let flags: UInt8
        /// Segmentation type without the ECN bit.
        let type: UInt8
        let segmentSize: UInt16
        let checksumStart: UInt16
        let checksumOffset: UInt16

        @inline(__always)
        init(_ header: UnsafeRawPointer) {
            // One load for the bytes that every frame needs. The header is little endian on every machine.
            let word = UInt64(littleEndian: header.loadUnaligned(as: UInt64.self))
            flags = UInt8(truncatingIfNeeded: word)
            type = UInt8(truncatingIfNeeded: word >> 8) & ~VirtioNetHeader.gsoECN
            segmentSize = UInt16(truncatingIfNeeded: word >> 32)
            checksumStart = UInt16(truncatingIfNeeded: word >> 48)
            checksumOffset = UInt16(littleEndian: header.loadUnaligned(fromByteOffset: 8, as: UInt16.self))
        }

        /// Whether the checksum in the frame is partial: it covers only the pseudo-header.
        @inline(__always) var isPartial: Bool { flags & VirtioNetHeader.needsChecksum != 0 }

        /// Whether the transport checksum need not be verified, because the flags mark it as partial or as already
        /// verified. A partial checksum is trusted only if the virtio-net header gives its place correctly: summing
        /// starts at the transport header (`start`), and the checksum field is `offset` bytes after it.
        @inline(__always)
        func isTrusted(at start: UInt16, checksumOffset offset: Int) -> Bool {
            if isPartial { return checksumStart == start && checksumOffset == UInt16(truncatingIfNeeded: offset) }
            return flags & VirtioNetHeader.dataValid != 0
        }
    }
}
