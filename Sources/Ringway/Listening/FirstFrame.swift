internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayWire

/// What a guest's first frame tells: who it is. Looked at without being taken, so that the data path gets it whole.
enum FirstFrame {
    enum Outcome: Equatable {
        case guest(MACAddress)
        /// Not there yet, or not whole.
        case wait
        case closed
    }

    /// Octets before the source address: the length, and the destination.
    private static func offset(_ framing: Link.Framing) -> Int {
        switch framing {
        case .stream(.qemu): 4 + 6
        case .stream(.vpnkit): 2 + 6
        case .stream(.agent): 4 + VirtioNetHeader.length + 6
        case .datagram: 6
        case .device: VirtioNetHeader.length + 6
        }
    }

    /// Looks at what has come.
    static func look(_ descriptor: Int32, _ framing: Link.Framing) -> Outcome {
        let start = offset(framing)
        return withUnsafeTemporaryAllocation(byteCount: start + 6, alignment: 8) { bytes in
            guard let base = bytes.baseAddress else { return .wait }
            let count = recv(descriptor, base, bytes.count, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
            if count == bytes.count { return .guest(MACAddress(loadingFrom: base + start)) }
            if count == 0 { return .closed }
            if count < 0, errno != EAGAIN, errno != EINTR { return .closed }
            return .wait
        }
    }
}
