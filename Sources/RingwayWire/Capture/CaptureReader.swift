/// The packets of a whole capture file: pcap with timestamps in micro- or nanoseconds (draft-ietf-opsawg-pcap), or
/// pcapng (draft-ietf-opsawg-pcapng), in either byte order. For tests and tools; never on the data path.
///
/// In a pcapng file, the section header, interface description, enhanced packet and simple packet blocks are read, and
/// all other blocks are skipped.
public struct CaptureReader: Sequence, Sendable {
    /// Why a file could not be read.
    public enum Failure: Error, Equatable {
        /// The file is shorter than 24 bytes or does not start with a known magic number.
        case notACapture
        /// The block or packet that starts at this offset extends past the end of the file, or has invalid fields.
        case malformed(offset: Int)
    }

    private var packets: [CapturedPacket] = []

    /// Reads a whole file.
    public init(_ file: [UInt8]) throws(Failure) {
        guard file.count >= 24 else { throw .notACapture }
        let fields = Fields(file: file, isBigEndian: false)
        switch (fields.word(0), fields.byteSwapped.word(0)) {
        case (0x0A0D_0D0A, _): try readBlocks(file)
        case (0xA1B2_C3D4, _): try readRecords(fields, unit: 1_000)
        case (_, 0xA1B2_C3D4): try readRecords(fields.byteSwapped, unit: 1_000)
        case (0xA1B2_3C4D, _): try readRecords(fields, unit: 1)
        case (_, 0xA1B2_3C4D): try readRecords(fields.byteSwapped, unit: 1)
        default: throw .notACapture
        }
    }

    /// The packets in the order of the file.
    public func makeIterator() -> IndexingIterator<[CapturedPacket]> { packets.makeIterator() }

    /// Reads integers of a file in the file's byte order. Callers have checked lengths.
    private struct Fields {
        let file: [UInt8]
        var isBigEndian: Bool

        var byteSwapped: Fields { Fields(file: file, isBigEndian: !isBigEndian) }

        func half(_ offset: Int) -> UInt16 {
            let value = UInt16(file[offset]) | UInt16(file[offset + 1]) << 8
            return isBigEndian ? value.byteSwapped : value
        }

        func word(_ offset: Int) -> UInt32 {
            let value = UInt32(file[offset]) | UInt32(file[offset + 1]) << 8
            let whole = value | UInt32(file[offset + 2]) << 16 | UInt32(file[offset + 3]) << 24
            return isBigEndian ? whole.byteSwapped : whole
        }
    }

    private struct Interface {
        var linkType: UInt16
        /// Option `if_tsresol`: timestamps count units of 10^-n seconds, where n is this value. If its high bit is set,
        /// the units are 2^-n seconds, where n is the lower seven bits.
        var resolution: UInt8 = 6

        func nanoseconds(_ ticks: UInt64) -> UInt64 {
            if resolution & 0x80 != 0 {
                let (high, low) = ticks.multipliedFullWidth(by: 1_000_000_000)
                let shift = UInt64(resolution & 0x7F)
                return shift < 64 ? low >> shift | high << (64 - shift) : high >> (shift - 64)
            }
            var value = ticks
            for _ in Swift.min(resolution, 9)..<9 { value &*= 10 }
            for _ in 9..<Swift.max(resolution, 9) { value /= 10 }
            return value
        }
    }

    private mutating func readRecords(_ fields: Fields, unit: UInt64) throws(Failure) {
        let linkType = UInt16(truncatingIfNeeded: fields.word(20))
        var offset = 24
        while offset < fields.file.count {
            guard fields.file.count - offset >= 16 else { throw .malformed(offset: offset) }
            let length = Int(fields.word(offset + 8))
            guard length <= fields.file.count - offset - 16 else { throw .malformed(offset: offset) }
            let seconds = UInt64(fields.word(offset)) * 1_000_000_000
            packets.append(
                CapturedPacket(
                    nanosecondsSince1970: seconds + UInt64(fields.word(offset + 4)) * unit, linkType: linkType,
                    originalLength: Int(fields.word(offset + 12)),
                    bytes: Array(fields.file[offset + 16..<offset + 16 + length]), direction: nil))
            offset += 16 + length
        }
    }

    private mutating func readBlocks(_ file: [UInt8]) throws(Failure) {
        var fields = Fields(file: file, isBigEndian: false)
        var interfaces: [Interface] = []
        var offset = 0
        while offset < file.count {
            guard file.count - offset >= 12 else { throw .malformed(offset: offset) }
            let type = fields.word(offset)
            if type == 0x0A0D_0D0A {
                guard file.count - offset >= 28 else { throw .malformed(offset: offset) }
                if fields.word(offset + 8) != 0x1A2B_3C4D { fields = fields.byteSwapped }
                guard fields.word(offset + 8) == 0x1A2B_3C4D else { throw .malformed(offset: offset) }
                interfaces = []
            }
            let length = Int(fields.word(offset + 4))
            guard length >= 12, length.isMultiple(of: 4), length <= file.count - offset,
                Int(fields.word(offset + length - 4)) == length
            else { throw .malformed(offset: offset) }
            let body = offset + 8..<offset + length - 4
            switch type {
            case 1:
                guard body.count >= 8 else { throw .malformed(offset: offset) }
                var interface = Interface(linkType: fields.half(body.lowerBound))
                Self.option(9, in: body.dropFirst(8), fields) { interface.resolution = file[$0] }
                interfaces.append(interface)
            case 3:
                guard body.count >= 4, let interface = interfaces.first else { throw .malformed(offset: offset) }
                let original = Int(fields.word(body.lowerBound))
                let kept = body.dropFirst(4).prefix(original)
                packets.append(
                    CapturedPacket(
                        nanosecondsSince1970: 0, linkType: interface.linkType, originalLength: original,
                        bytes: Array(file[kept]), direction: nil))
            case 6:
                guard let packet = Self.enhancedPacket(in: body, fields, interfaces) else {
                    throw .malformed(offset: offset)
                }
                packets.append(packet)
            default:
                break
            }
            offset += length
        }
    }

    private static func enhancedPacket(
        in body: Range<Int>, _ fields: Fields, _ interfaces: [Interface]
    ) -> CapturedPacket? {
        let start = body.lowerBound
        guard body.count >= 20, Int(fields.word(start)) < interfaces.count else { return nil }
        let interface = interfaces[Int(fields.word(start))]
        let kept = Int(fields.word(start + 12))
        guard kept <= body.count - 20 else { return nil }
        let ticks = UInt64(fields.word(start + 4)) << 32 | UInt64(fields.word(start + 8))
        var packet = CapturedPacket(
            nanosecondsSince1970: interface.nanoseconds(ticks), linkType: interface.linkType,
            originalLength: Int(fields.word(start + 16)), bytes: Array(fields.file[start + 20..<start + 20 + kept]),
            direction: nil)
        option(2, in: body.dropFirst(20 + (kept + 3) / 4 * 4), fields) {
            packet.direction = CaptureWriter.Direction(rawValue: fields.word($0) & 3)
        }
        return packet
    }

    /// Calls `found` with the offset of the wanted option's value, if the option is present and complete.
    private static func option(_ wanted: UInt16, in options: Range<Int>, _ fields: Fields, found: (Int) -> Void) {
        var offset = options.lowerBound
        while options.upperBound - offset >= 4 {
            let code = fields.half(offset)
            let length = Int(fields.half(offset + 2))
            guard code != 0, length <= options.upperBound - offset - 4 else { return }
            if code == wanted, length >= (code == 2 ? 4 : 1) { return found(offset + 4) }
            offset += 4 + (length + 3) / 4 * 4
        }
    }
}
