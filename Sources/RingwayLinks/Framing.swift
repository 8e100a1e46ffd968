internal import RingwayAgentProtocol
internal import RingwayWire

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
    /// A virtio-net header and the frame, super-frames whole, behind the length as `AgentFrame` says: the guest's agent.
    case agent
}

extension Link.Framing {
    /// Bytes in the length before each frame.
    @inline(__always)
    var prefixLength: Int {
        switch self {
        case .device, .datagram: 0
        case .stream(let framing): framing.prefixLength
        }
    }

    /// Whether a peer of ours believes the length: one too long would end its link.
    @inline(__always)
    func carries(_ length: Int) -> Bool {
        if case .stream(let framing) = self { return framing.lengths.contains(length) }
        return true
    }

    @inline(__always)
    func writePrefix(_ length: Int, to target: UnsafeMutableRawPointer) {
        if case .stream(let framing) = self { framing.writePrefix(length, to: target) }
    }
}

extension StreamFraming {
    /// Bytes in the length before each frame.
    @inline(__always)
    var prefixLength: Int {
        switch self {
        case .qemu: 4
        case .vpnkit: 2
        case .agent: AgentFrame.prefixLength
        }
    }

    /// Bytes of the virtio-net header that a frame lacks, and that is put before it.
    @inline(__always)
    var missingHeader: Int { self == .agent ? 0 : VirtioNetHeader.length }

    /// The lengths that a frame can have: at least an ethernet header, and at most one with a VLAN tag and an IP packet of
    /// 65,535 bytes behind it.
    var lengths: ClosedRange<Int> {
        switch self {
        case .qemu: EthernetHeader.length...18 + 65_535
        case .vpnkit: EthernetHeader.length...65_535
        case .agent: AgentFrame.lengths
        }
    }

    @inline(__always)
    func readPrefix(_ source: UnsafeRawPointer) -> Int {
        switch self {
        case .qemu: Int(UInt32(bigEndian: source.loadUnaligned(as: UInt32.self)))
        case .vpnkit: Int(UInt16(littleEndian: source.loadUnaligned(as: UInt16.self)))
        case .agent: AgentFrame.readPrefix(source)
        }
    }

    @inline(__always)
    func writePrefix(_ length: Int, to target: UnsafeMutableRawPointer) {
        switch self {
        case .qemu: target.storeBytes(of: UInt32(truncatingIfNeeded: length).bigEndian, as: UInt32.self)
        case .vpnkit: target.storeBytes(of: UInt16(truncatingIfNeeded: length).littleEndian, as: UInt16.self)
        case .agent: AgentFrame.writePrefix(length, to: target)
        }
    }
}
