internal import Glibc

/// Finds TCP sockets that listen or are only bound. The kernel lists the latter only through socket diagnosis
/// (sock_diag(7)), and only since Linux 6.8.
enum BoundSockets {
    private static var byFamily: UInt16 { 20 }
    private static var netlinkDiagnosis: Int32 { 4 }
    /// TCP_LISTEN, and TCP_BOUND_INACTIVE, as bits.
    private static var states: UInt32 { 1 << 10 | 1 << 13 }
    private static var requestLength: Int { 72 }
    private static var headerLength: Int { 16 }
    /// `struct inet_diag_msg`: its size, and the offsets of source port, user and inode.
    private static var messageLength: Int { 72 }
    private static var portPlace: Int { 4 }
    private static var userPlace: Int { 64 }
    private static var inodePlace: Int { 68 }

    /// The listening and the bound sockets at a port.
    static func find(_ port: UInt16) -> [(inode: UInt64, user: UInt32)] {
        let line = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), netlinkDiagnosis)
        guard line >= 0 else { return [] }
        defer { close(line) }
        var limit = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return [AF_INET, AF_INET6].flatMap { ask(line, UInt8($0), port) }
    }

    private static func ask(_ line: Int32, _ family: UInt8, _ port: UInt16) -> [(inode: UInt64, user: UInt32)] {
        var request = [UInt8](repeating: 0, count: requestLength)
        request.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: UInt32(requestLength), as: UInt32.self)
            bytes.storeBytes(of: byFamily, toByteOffset: 4, as: UInt16.self)
            // NLM_F_REQUEST, NLM_F_DUMP.
            bytes.storeBytes(of: 0x301, toByteOffset: 6, as: UInt16.self)
            bytes.storeBytes(of: family, toByteOffset: 16, as: UInt8.self)
            bytes.storeBytes(of: UInt8(IPPROTO_TCP), toByteOffset: 17, as: UInt8.self)
            bytes.storeBytes(of: states, toByteOffset: 20, as: UInt32.self)
        }
        guard send(line, request, request.count, 0) == request.count else { return [] }
        var found: [(inode: UInt64, user: UInt32)] = []
        var answer = [UInt8](repeating: 0, count: 32_768)
        while true {
            let count = recv(line, &answer, answer.count, 0)
            guard count >= headerLength, read(answer[..<count], port, &found) else { return found }
        }
    }

    /// Parses one received part of the dump, and appends its sockets at `port` to `found`. Returns false at the end of
    /// the dump, and after an error.
    private static func read(
        _ answer: ArraySlice<UInt8>, _ port: UInt16, _ found: inout [(inode: UInt64, user: UInt32)]
    ) -> Bool {
        answer.withUnsafeBytes { bytes in
            var place = 0
            while place + headerLength <= bytes.count {
                let length = Int(bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                let kind = bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt16.self)
                guard kind == byFamily, length >= headerLength + messageLength, place + length <= bytes.count else {
                    return false
                }
                let message = place + headerLength
                if UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: message + portPlace, as: UInt16.self)) == port
                {
                    found.append(
                        (
                            UInt64(bytes.loadUnaligned(fromByteOffset: message + inodePlace, as: UInt32.self)),
                            bytes.loadUnaligned(fromByteOffset: message + userPlace, as: UInt32.self)
                        ))
                }
                place += (length + 3) & ~3
            }
            return true
        }
    }
}
