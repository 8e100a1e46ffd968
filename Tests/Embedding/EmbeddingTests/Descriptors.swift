import Glibc

/// Two connected sockets that no program inherits unless it is given one.
func makeSocketPair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
        throw LauncherFailure("socketpair: \(String(cString: strerror(errno)))")
    }
    return (ends[0], ends[1])
}

/// Receives a descriptor that another process sends over a socket (SCM_RIGHTS).
func receiveDescriptor(from socket: Int32) throws -> Int32 {
    // The header of a control message, a descriptor, and what fills up the word (cmsg(3)).
    var control = [UInt64](repeating: 0, count: 3)
    var byte: UInt8 = 0
    let received = withUnsafeMutableBytes(of: &byte) { byte in
        control.withUnsafeMutableBytes { control in
            var piece = iovec(iov_base: byte.baseAddress, iov_len: byte.count)
            return withUnsafeMutablePointer(to: &piece) { piece in
                var message = msghdr()
                message.msg_iov = piece
                message.msg_iovlen = 1
                message.msg_control = control.baseAddress
                message.msg_controllen = control.count
                return recvmsg(socket, &message, Int32(MSG_CMSG_CLOEXEC))
            }
        }
    }
    let header = control.withUnsafeBytes { $0.load(as: cmsghdr.self) }
    guard received == 1, header.cmsg_level == SOL_SOCKET, header.cmsg_type == Int32(SCM_RIGHTS) else {
        throw LauncherFailure("no descriptor has come")
    }
    return control.withUnsafeBytes { $0.load(fromByteOffset: MemoryLayout<cmsghdr>.size, as: Int32.self) }
}
