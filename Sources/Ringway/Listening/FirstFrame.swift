internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayWire

/// Determines the guest's identity from its first frame. Only peeks (MSG_PEEK), so that the data path still receives
/// the frame.
enum FirstFrame {
    enum Outcome: Equatable {
        /// - Parameter uses: the IPv4 address that the guest already uses, if the frame contains one.
        case guest(MACAddress, uses: IPv4Address?)
        /// Too few bytes have arrived to identify the guest.
        case wait
        case closed
    }

    /// Bytes before the ethernet source address: a length and a virtio-net header, if the framing has them, and the
    /// ethernet destination address.
    private static func offset(_ framing: Link.Framing) -> Int {
        switch framing {
        case .stream(.qemu): 4 + 6
        case .stream(.vpnkit): 2 + 6
        case .stream(.agent): 4 + VirtioNetHeader.length + 6
        case .datagram: 6
        case .device: VirtioNetHeader.length + 6
        }
    }

    /// Peeks at the received bytes.
    static func peek(_ descriptor: Int32, _ framing: Link.Framing) -> Outcome {
        let start = offset(framing)
        return withUnsafeTemporaryAllocation(byteCount: start + sourceEnd, alignment: 8) { bytes in
            guard let base = bytes.baseAddress else { return .wait }
            let count = recv(descriptor, base, bytes.count, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
            if count >= start + 6 {
                let frame = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[start..<count])
                return .guest(MACAddress(loadingFrom: base + start), uses: sourceIPv4(frame))
            }
            if count == 0 { return .closed }
            if count < 0, errno != EAGAIN, errno != EINTR { return .closed }
            return .wait
        }
    }

    /// The number of bytes to examine from the ethernet source address on: that address, the type, and the first 20
    /// bytes of an ARP packet or IPv4 header, which contain the sender's IPv4 address.
    private static var sourceEnd: Int { 6 + 2 + 20 }

    /// The source IPv4 address of an IPv4 or ARP frame; `nil` if there is none. `frame` starts at the ethernet source
    /// address.
    static func sourceIPv4(_ frame: UnsafeRawBufferPointer) -> IPv4Address? {
        guard frame.count >= sourceEnd else { return nil }
        let offset: Int
        switch UInt16(frame[6]) << 8 | UInt16(frame[7]) {
        case 0x0800: offset = 8 + 12
        // RFC 826: the sender's protocol address comes after the fixed part and the sender's ethernet address.
        case 0x0806: offset = 8 + 14
        default: return nil
        }
        let value = frame[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return value == 0 ? nil : IPv4Address(rawValue: value)
    }
}
