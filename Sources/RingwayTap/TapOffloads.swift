internal import CRingway

/// TAP offloads (`TUN_F_*`), which make frames of 64 KiB possible at any MTU.
public struct TapOffloads: OptionSet, Sendable, Hashable {
    /// The kernel's bits.
    public let rawValue: UInt32

    /// A set of the kernel's bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Checksums may be partial (`TUN_F_CSUM`).
    public static let checksum = Self(rawValue: UInt32(TUN_F_CSUM))
    /// TCP over IPv4 may come unsegmented (`TUN_F_TSO4`).
    public static let tcpSegmentation4 = Self(rawValue: UInt32(TUN_F_TSO4))
    /// TCP over IPv6 may come unsegmented (`TUN_F_TSO6`).
    public static let tcpSegmentation6 = Self(rawValue: UInt32(TUN_F_TSO6))
    /// An unsegmented frame may have ECN's CWR set (`TUN_F_TSO_ECN`).
    public static let congestionMarks = Self(rawValue: UInt32(TUN_F_TSO_ECN))
    /// UDP over IPv4 may come unsegmented (`TUN_F_USO4`, Linux 6.2).
    public static let udpSegmentation4 = Self(rawValue: UInt32(TUN_F_USO4))
    /// UDP over IPv6 may come unsegmented (`TUN_F_USO6`, Linux 6.2).
    public static let udpSegmentation6 = Self(rawValue: UInt32(TUN_F_USO6))

    /// The offloads that every supported kernel accepts.
    public static let basic: Self = [.checksum, .tcpSegmentation4, .tcpSegmentation6, .congestionMarks]
    /// UDP segmentation of both families; a kernel supports both or neither.
    public static let udpSegmentation: Self = [.udpSegmentation4, .udpSegmentation6]
}
