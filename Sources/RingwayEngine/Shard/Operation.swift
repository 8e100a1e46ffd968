internal import RingwayRing
internal import RingwayStorage

/// The component that an operation belongs to, which its completion is routed to: the upper half of a tag's kind.
enum OperationOwner: UInt8 {
    /// The shard itself.
    case shard = 0
    case link, tcp, udp, ping, ports, relays, names, neighbors
}

/// The operations of one component, at most sixteen: the lower half of a tag's kind.
protocol ShardOperation: RawRepresentable<UInt8> {
    static var owner: OperationOwner { get }
}

extension ShardOperation {
    /// The kind of the operation's tags.
    @inline(__always)
    var kind: UInt8 { Self.owner.rawValue << 4 | rawValue }

    /// - Parameters:
    ///   - handle: the socket, message or other entry of the component's that the operation is about.
    ///   - detail: eight bits for the component.
    @inline(__always)
    func tag(_ handle: Handle, detail: UInt8 = 0) -> OperationTag {
        OperationTag(kind: kind, detail: detail, generation: handle.generation, index: handle.slot)
    }

    @inline(__always)
    func tag(index: UInt32 = 0) -> OperationTag { OperationTag(kind: kind, index: index) }

    /// The operation of a tag that is known to be this component's; `nil` when there is no such operation.
    @inline(__always)
    init?(_ tag: OperationTag) { self.init(rawValue: tag.kind & 15) }
}

extension OperationTag {
    /// `nil` when no component has such operations.
    @inline(__always)
    var owner: OperationOwner? { OperationOwner(rawValue: kind >> 4) }

    @inline(__always)
    var handle: Handle { Handle(slot: index, generation: generation) }
}
