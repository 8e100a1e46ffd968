internal import Glibc
internal import RingwaySystem

/// A shard's queries, over a SOCK_SEQPACKET socket. Each record is a tag and a DNS message, in both directions.
final class DatagramClient: Client {
    /// The most records read per turn of the loop, so that other clients get their turn.
    private static let recordsPerTurn = 64

    /// The size of the socket's send buffer in bytes, for answers that the shard has not read; the kernel may grant
    /// less.
    private static let sendBuffer: Int32 = 1 << 20

    override init(adopting descriptor: Int32, guest: UInt32, service: Service) {
        super.init(adopting: descriptor, guest: guest, service: service)
        self.descriptor.setOption(level: SOL_SOCKET, name: SO_SNDBUF, value: Self.sendBuffer)
    }

    override func ready(_ events: EventLoop.Events) {
        let scratch = service.scratch
        for _ in 0..<Self.recordsPerTurn {
            guard isOpen else { return }
            let count = recv(descriptor.rawValue, scratch.baseAddress, scratch.count, Int32(MSG_DONTWAIT))
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { close() }
                return
            }
            guard count > 0 else { return close() }
            let record = UnsafeRawBufferPointer(rebasing: scratch.prefix(count))
            guard count >= ClientTag.length else {
                service.count(\.queries)
                service.count(\.droppedMalformed)
                continue
            }
            // A malformed query is dropped: the guest gets no answer.
            _ = service.accept(Array(record[ClientTag.length...]), from: self, tag: ClientTag(record))
        }
    }

    override func send(_ answer: [UInt8], tag: ClientTag) {
        var tag = tag
        let sent = withUnsafeMutableBytes(of: &tag) { tagBytes in
            answer.withUnsafeBytes { answerBytes in
                var parts = [
                    iovec(iov_base: tagBytes.baseAddress, iov_len: tagBytes.count),
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: answerBytes.baseAddress), iov_len: answerBytes.count
                    ),
                ]
                return parts.withUnsafeMutableBufferPointer { parts in
                    var message = msghdr()
                    message.msg_iov = parts.baseAddress
                    message.msg_iovlen = parts.count
                    return sendmsg(
                        descriptor.rawValue, &message, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                }
            }
        }
        guard sent < 0 else { return }
        if errno == EPIPE || errno == ECONNRESET {
            service.count(\.droppedClientGone)
        } else {
            service.count(\.droppedClientFull)
        }
    }
}
