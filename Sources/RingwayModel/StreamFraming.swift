/// How a byte stream is split into frames.
public enum StreamFraming: Hashable, Sendable, CaseIterable {
    /// The length in 32 bits, big endian, before each frame: QEMU's `-netdev stream` and `-netdev socket`.
    case qemu
    /// The length in 16 bits, little endian, before each frame: VPNKit's format after its handshake.
    case vpnkit
    /// The length in 32 bits, little endian, then a virtio-net header and the frame, which may be a super-frame: the
    /// guest's agent.
    case agent
}
