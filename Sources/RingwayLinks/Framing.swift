extension Link {
    /// How frames lie on a queue's descriptor.
    public enum Framing: Hashable, Sendable {
        /// Every read and every write moves one whole frame, a virtio-net header first: a TAP device.
        case device
        /// A byte stream, in which a length precedes every frame.
        case stream(StreamFraming)
        /// Every datagram is one frame without a virtio-net header: QEMU's `-netdev dgram`.
        case datagram

        /// Whether each frame has a virtio-net header, so that super-frames and unfinished checksums may pass.
        public var hasVirtioNetHeader: Bool {
            switch self {
            case .device, .stream(.agent): true
            case .stream(.qemu), .stream(.vpnkit), .datagram: false
            }
        }
    }
}

/// How frames are told apart in a byte stream.
public enum StreamFraming: Hashable, Sendable, CaseIterable {
    /// The length in 32 bits, big endian, and the frame: QEMU's `-netdev stream` and `-netdev socket`.
    case qemu
    /// The length in 16 bits, little endian, and the frame: VPNKit's, once its handshake is over.
    case vpnkit
    /// The length in 32 bits, little endian, a virtio-net header and the frame, super-frames whole: the guest's agent.
    case agent
}
