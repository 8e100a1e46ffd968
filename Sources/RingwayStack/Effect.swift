public import RingwayStorage
public import RingwayWire

/// One thing the stack asks its owner to do. The stack never touches a descriptor: it is given frames, socket events
/// and a clock reading, and answers with effects, in order.
///
/// A plain value in a queue that was allocated once, rather than a call into a generic sink: the stack stays one
/// non-generic module that the optimiser sees whole, and a simulator or a test reads the same queue the engine does.
@frozen
public struct Effect: BitwiseCopyable, Sendable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Write a frame to the guest: `offset`/`length` of `lease`, then `payloadOffset`/`payloadLength` of `payload`
        /// where that is not `none`. The queue owns one hold of each; it ends with the write.
        case writeFrame
        /// Open a TCP socket for flow `slot` and connect it to `address`, with `trafficClass`, with `hopLimit` where that is
        /// small, and from the guest's port, `length`, where that is wanted.
        case connectStream
        /// Give flow `slot` a stream to the built-in DNS service.
        case connectService
        /// Send what flow `slot` has parked, at most `length` bytes unless that is zero, and the last one as urgent where
        /// `segmentSize` is not zero. At most one send per flow is under way.
        case sendStream
        /// Receive at most `length` octets for flow `slot`. At most one receive per flow is under way.
        case receiveStream
        /// Send with `trafficClass` from now on what is sent for flow `slot`.
        case classifyStream
        /// Tell what the kernel knows about the far end of flow `slot` (`streamReported`); where `length` is not zero, have it
        /// say something if it has been silent for `PeerWatch.keepaliveTrust`.
        case inspectStream
        /// Nothing can be received for flow `slot` now; tell when its socket fails all the same, and where `length` is not
        /// zero, when its client ends its side without having said anything.
        case watchStream
        /// The guest sent FIN and all data before it is sent: shut the sending side down.
        case shutdownStream
        /// Close the socket of a flow that has ended well.
        case closeStream
        /// Close the socket so that its peer sees RST.
        case resetStream
        /// Send `length` octets at `offset` of `lease` to `address` from the socket of UDP mapping `slot`. The queue owns
        /// the hold.
        case sendDatagram
        /// The same through the listener of forwarded UDP flow `slot`.
        case sendForwardedDatagram
        /// Tell the peer of forwarded UDP flow `slot` that nothing listens on the port.
        case refuseDatagram
        /// Close the socket of UDP mapping `slot`.
        case closeDatagram
        /// Send an ICMP echo request from the socket of ping `slot`.
        case sendEcho
        /// Close the socket of ping `slot`.
        case closeEcho
        /// Hand `length` octets at `offset` of `lease` to the DNS service under the tag `slot`, `generation`.
        case query
        /// The guest has declined its address: give it another one, if there is one.
        case replaceAddress
        /// A datagram was put together from fragments: treat `lease` as a frame read from the link.
        case reenterFrame
        /// The guest has shown that it has `address`.
        case guestShown
        /// `address` of the guest's does not answer; the client in socket `offset` was not led there in vain where that is
        /// not `.max`: the connection is gone, and the client may be led elsewhere.
        case guestSilent
    }

    public var kind: Kind
    public var hopLimit: UInt8 = 64
    public var trafficClass: UInt8 = 0
    /// The guest forbids that the datagram be cut on its way.
    public var dontFragment = false
    public var generation: UInt16 = 0
    public var segmentSize: UInt16 = 0
    public var slot: UInt32 = 0
    public var lease: Lease = .none
    public var offset: UInt32 = 0
    public var length: UInt32 = 0
    public var payload: Lease = .none
    public var payloadOffset: UInt32 = 0
    public var payloadLength: UInt32 = 0
    public var address: TransportAddress = TransportAddress(address: IPAddress(IPv4Address(rawValue: 0)), port: 0)

    @inlinable public init(_ kind: Kind) { self.kind = kind }

    @inlinable public init(_ kind: Kind, slot: UInt32, length: UInt32 = 0) {
        self.kind = kind
        self.slot = slot
        self.length = length
    }
}

/// Effects in the order they arose. The owner empties the queue after every call into the stack, so its capacity only
/// has to hold what one event can cause.
public struct EffectQueue: ~Copyable {
    @usableFromInline let slots: UnsafeMutablePointer<Effect>
    @usableFromInline let mask: Int
    @usableFromInline var head = 0
    @usableFromInline var tail = 0

    init(capacity: Int) throws(MemoryFailure) {
        precondition(capacity.nonzeroBitCount == 1)
        slots = try .allocateApart(capacity: capacity)
        mask = capacity - 1
    }

    deinit { slots.deallocate() }

    @inlinable public var isEmpty: Bool { head == tail }
    /// Effects not yet taken.
    @inlinable public var count: Int { tail &- head }

    mutating func append(_ effect: Effect) {
        precondition(tail &- head <= mask, "one event caused more effects than the queue holds")
        (slots + (tail & mask)).initialize(to: effect)
        tail &+= 1
    }

    /// The oldest effect, or `nil`.
    @inlinable public mutating func popFirst() -> Effect? {
        guard head != tail else { return nil }
        let effect = slots[head & mask]
        head &+= 1
        return effect
    }
}
