/// How a byte stream is split into frames.
public enum StreamFraming: Hashable, Sendable, CaseIterable {
    /// The length in 32 bits, big endian, and the frame: QEMU's `-netdev stream` and `-netdev socket`.
    case qemu
    /// The length in 16 bits, little endian, and the frame: VPNKit's format after its handshake.
    case vpnkit
    /// The length, then a virtio-net header and the frame, which may be a super-frame: the guest's agent.
    case agent
}
