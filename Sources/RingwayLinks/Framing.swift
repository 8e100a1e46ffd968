internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayWire

extension Link.Framing {
    @inline(__always)
    var isDatagram: Bool {
        switch self {
        case .datagram: true
        case .device, .stream: false
        }
    }

    /// The size in bytes of the length that is sent before each frame.
    @inline(__always)
    var prefixLength: Int {
        switch self {
        case .device, .datagram: 0
        case .stream(let framing): framing.prefixLength
        }
    }

    /// Whether a receiver accepts a frame of this length. On a stream, an invalid length makes the receiver end the
    /// link; without length prefixes, every length is accepted.
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
    /// The size in bytes of the length that is sent before each frame.
    @inline(__always)
    var prefixLength: Int {
        switch self {
        case .qemu: 4
        case .vpnkit: 2
        case .agent: AgentFrame.prefixLength
        }
    }

    /// The size in bytes of the virtio-net header that is inserted before each received frame; zero if frames arrive
    /// with that header.
    @inline(__always)
    var missingHeader: Int {
        switch self {
        case .qemu, .vpnkit: VirtioNetHeader.length
        case .agent: 0
        }
    }

    /// The valid lengths of a frame: at least an ethernet header; at most an ethernet header with a VLAN tag and an
    /// IP packet of 65,535 bytes, or as much as the length before the frame can express. On an agent's link the
    /// virtio-net header is counted, too.
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
