internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayRing
internal import RingwayWire

/// An unconnected datagram socket, for UDP or ICMP echoes.
final class ModelDatagramSocket: ModelFile {
    private struct Datagram {
        var sender: TransportAddress
        var payload: [UInt8]
    }

    let isEcho: Bool
    let isIPv4: Bool
    var local: TransportAddress
    private var incoming: [Datagram] = []
    private(set) var isReleased = false
    /// The most queued datagrams.
    private static var limit: Int { 64 }

    init(_ host: ModelHost, ipv4: Bool, isEcho: Bool, local: TransportAddress) {
        self.isEcho = isEcho
        isIPv4 = ipv4
        self.local = local
        super.init(host)
    }

    override var events: UInt32 { UInt32(POLLOUT) | (incoming.isEmpty ? 0 : UInt32(POLLIN)) }

    /// Queues a received datagram, or drops it if the queue is full.
    func deliver(_ payload: [UInt8], from sender: TransportAddress) {
        guard !isReleased, incoming.count < Self.limit else { return }
        incoming.append(Datagram(sender: sender, payload: payload))
        changed()
    }

    override func receive(_ message: UnsafeMutablePointer<msghdr>) -> Int {
        guard !incoming.isEmpty else { return Int(-EAGAIN) }
        let datagram = incoming.removeFirst()
        if let name = message.pointee.msg_name {
            message.pointee.msg_namelen = ModelHost.write(
                datagram.sender, to: name, room: message.pointee.msg_namelen)
        }
        message.pointee.msg_controllen = 0
        message.pointee.msg_flags = 0
        guard let slice = message.pointee.msg_iov, let base = slice.pointee.iov_base else { return 0 }
        let count = min(slice.pointee.iov_len, datagram.payload.count)
        UnsafeMutableRawBufferPointer(start: base, count: count).copyBytes(from: datagram.payload.prefix(count))
        return count
    }

    override func send(_ message: UnsafePointer<msghdr>, _ slices: [UnsafeRawBufferPointer]) -> Int {
        guard let name = message.pointee.msg_name,
            let target = ModelHost.read(
                name.assumingMemoryBound(to: sockaddr.self), message.pointee.msg_namelen)
        else { return Int(-EDESTADDRREQ) }
        var payload: [UInt8] = []
        for slice in slices { payload.append(contentsOf: slice) }
        let size = Self.segmentSize(of: message)
        var position = 0
        repeat {
            let end = size == 0 ? payload.count : min(payload.count, position + size)
            world?.datagramSent(Array(payload[position..<end]), by: self, to: target)
            position = end
        } while position < payload.count
        return payload.count
    }

    /// The segment size in the control data of a message (UDP_SEGMENT); zero if absent.
    private static func segmentSize(of message: UnsafePointer<msghdr>) -> Int {
        guard let control = message.pointee.msg_control else { return 0 }
        var position = 0
        let header = MemoryLayout<cmsghdr>.size
        while position + header <= message.pointee.msg_controllen {
            let item = (control + position).loadUnaligned(as: cmsghdr.self)
            guard item.cmsg_len >= header else { return 0 }
            if item.cmsg_level == Int32(IPPROTO_UDP), item.cmsg_type == UDP_SEGMENT {
                return Int((control + position + header).loadUnaligned(as: UInt16.self))
            }
            position += (Int(item.cmsg_len) + 7) & ~7
        }
        return 0
    }

    override func released() { isReleased = true }
}
