internal import CRingway
internal import Glibc
internal import RingwaySystem

/// An object in a list from the kernel, such as a route: a header (for routes `rtmsg`) and attributes.
struct NetlinkRecord {
    /// The bytes after the message header.
    let bytes: [UInt8]

    /// The structure at the record's start, such as `ifinfomsg`; `nil` if the record is too short for it. In an older
    /// kernel the structure may have fewer fields.
    func header<Header: BitwiseCopyable>(as type: Header.Type) -> Header? {
        guard bytes.count >= MemoryLayout<Header>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: type) }
    }

    /// The bytes of the first attribute of a type; `nil` if there is none. `header` is the length of the record's
    /// header.
    func attribute(_ wanted: Int, after header: Int) -> ArraySlice<UInt8>? {
        /// A field of an attribute's header, in host byte order.
        func field(at offset: Int) -> Int {
            bytes.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: offset, as: UInt16.self)) }
        }
        var offset = (header + 3) & ~3
        while offset + 4 <= bytes.count {
            let length = field(at: offset)
            let type = field(at: offset + 2) & 0x3FFF
            guard length >= 4, length <= bytes.count - offset else { return nil }
            if type == wanted { return bytes[offset + 4..<offset + length] }
            offset += (length + 3) & ~3
        }
        return nil
    }

    /// The value of an attribute that holds a 32-bit integer in host byte order.
    func integer(_ wanted: Int, after header: Int) -> UInt32? {
        guard let value = attribute(wanted, after: header), value.count == 4 else { return nil }
        return value.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    }

    /// The objects in a datagram, and whether the list ends with that datagram. `errorNumber` is the `errno` with which
    /// the kernel refused the request or broke the list off, or zero.
    static func parse(
        _ datagram: UnsafeRawBufferPointer
    ) -> (records: [NetlinkRecord], isLast: Bool, errorNumber: Int32) {
        var records: [NetlinkRecord] = []
        var offset = 0
        while offset + NetlinkMessage.prologueLength <= datagram.count {
            let length = Int(datagram.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            guard length >= NetlinkMessage.prologueLength, length <= datagram.count - offset else { break }
            let body = datagram[offset + NetlinkMessage.prologueLength..<offset + length]
            switch Int(datagram.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)) {
            // Both have a negated `errno` or zero; older kernels may end a list without one.
            case Int(NLMSG_DONE), Int(NLMSG_ERROR):
                let number = body.count >= 4 ? UnsafeRawBufferPointer(rebasing: body).loadUnaligned(as: Int32.self) : 0
                return (records, true, 0 &- number)
            default: records.append(NetlinkRecord(bytes: Array(body)))
            }
            offset += (length + 3) & ~3
        }
        return (records, false, 0)
    }
}

extension NetlinkSocket {
    /// The objects that the kernel lists for a request. Throws if the kernel refuses it, or if the list exceeds 4,096
    /// datagrams.
    mutating func list(_ request: NetlinkMessage) throws(SystemError) -> [NetlinkRecord] {
        var records: [NetlinkRecord] = []
        try send(request)
        // 4,096 datagrams have room for a million objects, so a longer list is an error.
        for _ in 0..<4096 {
            let (some, isLast, errorNumber) = try receive(for: request.purpose) { NetlinkRecord.parse($0) }
            guard errorNumber == 0 else { throw SystemError(cannot: request.purpose, errno: errorNumber) }
            records += some
            if isLast { return records }
        }
        throw SystemError(cannot: request.purpose, errno: EMSGSIZE, explanation: "the list does not end")
    }
}
