internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem

/// A datagram, its source, and its destination address.
struct ReceivedDatagram {
    let payload: [UInt8]
    let sender: TransportAddress
    let local: IPAddress?

    /// The next datagram of a socket; `nil` if none is queued or the receive fails.
    static func receive(_ descriptor: Int32) -> ReceivedDatagram? {
        var payload = [UInt8](repeating: 0, count: 65_535)
        var name = sockaddr_storage()
        var control = InlineArray<32, UInt64>(repeating: 0)
        var count = 0
        var notes = ringway_datagram_notes()
        let sender = payload.withUnsafeMutableBytes { bytes in
            withUnsafeMutablePointer(to: &name) { name -> TransportAddress? in
                withUnsafeMutablePointer(to: &control) { control -> TransportAddress? in
                    var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                    return withUnsafeMutablePointer(to: &vector) { vector -> TransportAddress? in
                        var message = msghdr()
                        message.msg_name = UnsafeMutableRawPointer(name)
                        message.msg_namelen = socklen_t(MemoryLayout<sockaddr_storage>.size)
                        message.msg_iov = vector
                        message.msg_iovlen = 1
                        message.msg_control = UnsafeMutableRawPointer(control)
                        message.msg_controllen = 256
                        repeat {
                            count = recvmsg(descriptor, &message, Int32(MSG_DONTWAIT))
                        } while count < 0 && (errno == EINTR || errno == ECONNREFUSED)
                        guard count >= 0 else { return nil }
                        ringway_read_datagram_control(message.msg_control, UInt32(message.msg_controllen), &notes)
                        return SocketAddress.read(name, length: message.msg_namelen)
                    }
                }
            }
        }
        guard let sender else { return nil }
        let local = notes.has_local ? IPAddress(high: notes.local_high, low: notes.local_low) : nil
        return ReceivedDatagram(payload: Array(payload[..<count]), sender: sender, local: local)
    }
}
