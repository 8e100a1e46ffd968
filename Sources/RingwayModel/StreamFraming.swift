/// How frames are told apart in a byte stream.
public enum StreamFraming: Hashable, Sendable, CaseIterable {
    /// The length in 32 bits, big endian, and the frame: QEMU's `-netdev stream` and `-netdev socket`.
    case qemu
    /// The length in 16 bits, little endian, and the frame: VPNKit's, once its handshake is over.
    case vpnkit
    /// A virtio-net header and the frame, super-frames whole, behind the length: the guest's agent.
    case agent
}
