internal import RingwayRing
internal import RingwayStorage

/// The component that submitted an operation and handles its completion: the upper four bits of the tag's `kind`.
enum OperationOwner: UInt8 {
    /// The shard itself.
    case shard = 0
    case link, tcp, udp, ping, ports, relays, names
}

/// The operations of one component, at most 16: the lower four bits of the tag's `kind`.
protocol ShardOperation: RawRepresentable<UInt8> {
    static var owner: OperationOwner { get }
}

extension ShardOperation {
    /// The kind of the operation's tags.
    @inline(__always)
    var kind: UInt8 { Self.owner.rawValue << 4 | rawValue }

    /// - Parameter handle: the component's socket, message or other entry that the operation uses.
    @inline(__always)
    func tag(_ handle: Handle) -> OperationTag {
        OperationTag(kind: kind, generation: handle.generation, index: handle.slot)
    }

    /// - Parameter lease: the buffer that the operation uses.
    @inline(__always)
    func tag(_ lease: Lease) -> OperationTag { OperationTag(kind: kind, value: lease.rawValue) }

    @inline(__always)
    func tag() -> OperationTag { OperationTag(kind: kind, value: 0) }

    /// The operation of a tag whose owner is this component; `nil` if the component has no such operation.
    @inline(__always)
    init?(_ tag: OperationTag) { self.init(rawValue: tag.kind & 15) }
}

extension OperationTag {
    /// `nil` if the kind belongs to no component.
    @inline(__always)
    var owner: OperationOwner? { OperationOwner(rawValue: kind >> 4) }

    @inline(__always)
    var handle: Handle { Handle(slot: index, generation: generation) }

    @inline(__always)
    var lease: Lease { Lease(rawValue: value) }
}
