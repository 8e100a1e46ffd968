extension SoftwareSegmentation {
    /// Octets of the next wire frame; zero when all are written.
    public var nextLength: Int { isDone ? 0 : headersLength &+ min(segmentSize, payloadLength &- position) }

    /// Writes the next wire frame, `nextLength` octets from its ethernet header on, to `target`.
    public mutating func writeNext(to target: UnsafeMutableRawPointer) {
        precondition(!isDone, "a frame has been written as a whole already")
        switch task {
        case .copy: writeCopy(target)
        case .completeChecksum: writeCompleted(target)
        case .cutTCP, .cutUDP: return writeSegment(target)
        }
        isDone = true
    }

    private func writeCopy(_ target: UnsafeMutableRawPointer) {
        target.copyMemory(from: first, byteCount: firstLength)
        guard payloadLength > firstLength else { return }
        (target + firstLength).copyMemory(from: second, byteCount: payloadLength &- firstLength)
    }

    /// What the checksum's place holds is the pseudo-header's sum, so it counts as everything else does.
    private func writeCompleted(_ target: UnsafeMutableRawPointer) {
        _ = copyPayload(to: target, from: 0, count: transport)
        let sum = copyPayload(to: target + transport, from: transport, count: payloadLength &- transport)
        target.storeBytes(of: Checksum.finishUDP(sum), toByteOffset: checksum, as: UInt16.self)
    }

    @inline(__always)
    private mutating func writeSegment(_ target: UnsafeMutableRawPointer) {
        let size = min(segmentSize, payloadLength &- position)
        target.copyMemory(from: headers, byteCount: headersLength)
        var sum = copyPayload(to: target + headersLength, from: position, count: size)
        writeNetworkLength(target + EthernetHeader.length, size)
        let header = target + transport
        target.storeBytes(of: 0, toByteOffset: checksum, as: UInt16.self)
        if task == .cutTCP {
            writeTCP(header, isLast: position &+ size == payloadLength)
        } else {
            header.store16(UInt16(truncatingIfNeeded: UDPHeader.length &+ size), 4)
        }
        let transportLength = headersLength &- transport
        sum = Checksum.sum(sum, Checksum.ipv4Header(header, length: transportLength))
        sum = Checksum.sum(sum, pseudoHeader)
        sum = Checksum.sum(sum, UInt64(UInt32(truncatingIfNeeded: transportLength &+ size).bigEndian))
        target.storeBytes(of: Checksum.finishUDP(sum), toByteOffset: checksum, as: UInt16.self)
        position &+= size
        number &+= 1
        isDone = position == payloadLength
    }

    @inline(__always)
    private func writeNetworkLength(_ ip: UnsafeMutableRawPointer, _ size: Int) {
        let length = headersLength &- EthernetHeader.length &+ size
        guard !isIPv6 else { return ip.store16(UInt16(truncatingIfNeeded: length &- IPv6Header.length), 4) }
        ip.store16(UInt16(truncatingIfNeeded: length), 2)
        ip.store16(UnsafeRawPointer(ip).word16(4) &+ UInt16(truncatingIfNeeded: number), 4)
        ip.storeBytes(of: 0, toByteOffset: 10, as: UInt16.self)
        let sum = Checksum.ipv4Header(ip, length: transport &- EthernetHeader.length)
        ip.storeBytes(of: Checksum.finish(sum), toByteOffset: 10, as: UInt16.self)
    }

    @inline(__always)
    private func writeTCP(_ header: UnsafeMutableRawPointer, isLast: Bool) {
        let sequence = UInt32(bigEndian: UnsafeRawPointer(header).loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        header.storeBytes(
            of: (sequence &+ UInt32(truncatingIfNeeded: position)).bigEndian, toByteOffset: 4, as: UInt32.self)
        var flags = UnsafeRawPointer(header).octet(13)
        if !isLast { flags &= ~(TCPFlags.fin.rawValue | TCPFlags.psh.rawValue) }
        if number > 0 { flags &= ~TCPFlags.cwr.rawValue }
        header.store8(flags, 13)
    }

    /// Copies octets of the payload, wherever they lie, and sums them up as if they began at an even offset.
    @inline(__always)
    private func copyPayload(to target: UnsafeMutableRawPointer, from start: Int, count: Int) -> UInt64 {
        guard start < firstLength else {
            return Checksum.copy(
                UnsafeRawBufferPointer(start: second + (start &- firstLength), count: count), to: target)
        }
        let near = min(count, firstLength &- start)
        let sum = Checksum.copy(UnsafeRawBufferPointer(start: first + start, count: near), to: target)
        guard near < count else { return sum }
        let rest = Checksum.copy(UnsafeRawBufferPointer(start: second, count: count &- near), to: target + near)
        return Checksum.sum(sum, near & 1 == 0 ? rest : Checksum.shifted(rest))
    }
}
