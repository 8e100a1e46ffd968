public import RingwayModel
public import RingwayStorage

/// A request from the stack to the shard on which the stack runs. The stack never touches a descriptor: frames,
/// socket events and a clock reading go in, and effects come out, oldest first.
///
/// Effects are plain values in a preallocated queue, not calls to a delegate. So the stack needs no generic parameter
/// for a delegate, and simulators and tests read the same queue as the engine.
///
/// The layout is flat, because one 64-byte layout for all kinds is cheaper to queue than an enum with payloads.
/// Fields that a kind does not use keep their defaults.
@frozen
public struct Effect: BitwiseCopyable, Sendable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Write a frame to the guest: `length` bytes at `offset` of `lease`, then, unless `payload` is `none`,
        /// `payloadLength` bytes at `payloadOffset` of `payload`. The effect owns one reference to each buffer, which
        /// the shard releases when the write completes.
        case writeFrame
        /// Open a TCP socket for connection `handle` and connect it to `address`, with `trafficClass`. `hopLimit` is
        /// the hop limit of the guest's SYN, less one if the destination is outside the guest's network; the shard
        /// sets it on the socket if it is below `TCPBounds.fewHops`, as in a traceroute. `sourcePort` is the guest's
        /// port. If that port is privileged and the configuration preserves privileged ports, the shard binds the
        /// socket to it.
        case connectStream
        /// Open a stream socket to the built-in DNS service for connection `handle`.
        case connectService
        /// Send the unsent payload of connection `handle` on `socket`: at most `limit` bytes, or any number if
        /// `limit` is zero. If `isUrgent`, the last byte is urgent (MSG_OOB). At most one send per connection is in
        /// flight.
        case sendStream
        /// Receive at most `limit` bytes for connection `handle`. At most one receive per connection is in flight.
        case receiveStream
        /// Set the DSCP of `socket` to that of `trafficClass`.
        case classifyStream
        /// Report to `Stack.streamReported` what the kernel knows about the peer of `socket`. With `solicits`, also
        /// send a keepalive probe if the peer has been silent for `PeerWatch.keepaliveTrust`.
        case inspectStream
        /// Nothing can be received for connection `handle` now: poll `socket` for errors, and with `reportsEnd` also
        /// for a FIN from a client that has sent no data.
        case watchStream
        /// The guest has sent FIN, and all data before the FIN is sent: shut down the sending side of `socket`.
        case shutdownStream
        /// Close the socket of a connection so that its peer sees FIN.
        case closeStream
        /// Close the socket so that its peer sees RST.
        case resetStream
        /// Send `length` bytes at `offset` of `lease` to `address` from the socket of UDP mapping `handle`. The effect
        /// owns the reference to the buffer.
        case sendDatagram
        /// Like `sendDatagram`, but from the host socket of a published port. `handle` is the mapping of the port's
        /// client to which the datagram goes.
        case sendForwardedDatagram
        /// Send ICMP port unreachable, for the published port, to the peer of UDP mapping `handle`.
        case refuseDatagram
        /// Close the socket of UDP mapping `handle`.
        case closeDatagram
        /// Send an ICMP echo request, `length` bytes at `offset` of `lease`, to `address` from the socket of ping
        /// `handle`.
        case sendEcho
        /// Close the socket of ping `handle`.
        case closeEcho
        /// Pass `length` bytes at `offset` of `lease` to the DNS service as query `handle`.
        case query
        /// The guest has declined its IPv4 address (DHCPDECLINE) on a network with several guests: assign another
        /// address, if one is free.
        case replaceAddress
        /// A datagram was reassembled: process the first `length` bytes of `lease` as a frame read from the link.
        case reenterFrame
        /// The guest has proved that it has `address`, by ARP, neighbour discovery or a reply to a SYN.
        case guestShown
        /// The guest does not answer SYNs to `address`. If a client's connection was abandoned early for that reason,
        /// `socket` is the client's socket, which the shard connects to another address of the guest. If the
        /// connection has timed out, `socket` is `noSocket`.
        case guestSilent
    }

    /// Boolean properties of an effect.
    @frozen @usableFromInline
    struct Options: OptionSet, BitwiseCopyable, Sendable {
        @usableFromInline let rawValue: UInt8
        @inlinable init(rawValue: UInt8) { self.rawValue = rawValue }
        @inlinable static var dontFragment: Options { Options(rawValue: 1 << 0) }
        @inlinable static var urgent: Options { Options(rawValue: 1 << 1) }
        @inlinable static var solicits: Options { Options(rawValue: 1 << 2) }
        @inlinable static var reportsEnd: Options { Options(rawValue: 1 << 3) }
    }

    public let kind: Kind
    public internal(set) var hopLimit: UInt8 = 64
    public internal(set) var trafficClass: UInt8 = 0
    @usableFromInline var options: Options = []
    /// The connection, UDP mapping, ping or query that the effect is about.
    public internal(set) var handle = Handle(slot: 0, generation: 0)
    /// Bytes of each datagram but the last, if the payload consists of several datagrams; otherwise zero.
    public internal(set) var segmentSize: UInt16 = 0
    /// The buffer of a frame, datagram, ICMP message or DNS query, and the range of the bytes in the buffer.
    public internal(set) var lease: Lease = .none
    public internal(set) var offset: UInt32 = 0
    public internal(set) var length: UInt32 = 0
    /// A second buffer of a frame, whose bytes follow those of `lease`; `none` if there is none.
    public internal(set) var payload: Lease = .none
    public internal(set) var payloadOffset: UInt32 = 0
    public internal(set) var payloadLength: UInt32 = 0
    /// The shard's identifier for a connection's host socket, as passed to `streamOpened`. It identifies the socket
    /// even after the connection has ended and `handle` has become stale.
    public internal(set) var socket = Effect.noSocket
    /// The destination of a datagram, echo request or connect. For other stream effects, the remote address as the
    /// guest sees it, with port zero. For `guestShown` and `guestSilent`, the guest's address.
    public internal(set) var address = TransportAddress(address: IPAddress(IPv4Address(rawValue: 0)), port: 0)
    /// The guest's port, for `connectStream`.
    public internal(set) var sourcePort: UInt16 = 0
    /// The most bytes to send or receive; zero for no limit.
    public internal(set) var limit: UInt32 = 0

    /// The value of `socket` if there is none.
    @inlinable public static var noSocket: UInt32 { .max }

    /// Whether the guest set DF, so that the datagram must not be fragmented.
    @inlinable public var dontFragment: Bool { options.contains(.dontFragment) }
    /// Whether the last byte of the send is urgent (MSG_OOB).
    @inlinable public var isUrgent: Bool { options.contains(.urgent) }
    /// Whether `inspectStream` also sends a keepalive probe to a silent peer.
    @inlinable public var solicits: Bool { options.contains(.solicits) }
    /// Whether `watchStream` also polls for the client's FIN.
    @inlinable public var reportsEnd: Bool { options.contains(.reportsEnd) }

    @inline(__always) init(_ kind: Kind) { self.kind = kind }

    @inline(__always) init(_ kind: Kind, _ handle: Handle) {
        self.kind = kind
        self.handle = handle
    }

    /// A `writeFrame` effect for one buffer. Its bytes start with the virtio-net header.
    public static func frame(_ lease: Lease, offset: UInt32, length: UInt32) -> Effect {
        var effect = Effect(.writeFrame)
        effect.lease = lease
        effect.offset = offset
        effect.length = length
        return effect
    }
}

/// A queue of effects, oldest first. The shard drains it after every call into the stack, so the capacity only has to
/// cover the effects of one call.
///
/// The queue is a reference to memory that belongs to the stack, so copies of it share their content: the stack
/// appends through one copy, and the shard removes through another.
@frozen
public struct EffectQueue: BitwiseCopyable {
    /// Indices of the oldest effect and of the next free slot. They only increase; `mask` reduces them to slots.
    @frozen @usableFromInline
    struct Ends: BitwiseCopyable {
        @usableFromInline var head = 0
        @usableFromInline var tail = 0

        @inlinable init() {}
    }

    @usableFromInline let slots: UnsafeMutablePointer<Effect>
    @usableFromInline let ends: UnsafeMutablePointer<Ends>
    @usableFromInline let mask: Int

    init(capacity: Int) throws(MemoryFailure) {
        precondition(capacity.nonzeroBitCount == 1)
        let slots = try UnsafeMutablePointer<Effect>.allocateApart(capacity: capacity)
        do throws(MemoryFailure) {
            ends = try .allocateApart(capacity: 1)
        } catch {
            slots.deallocate()
            throw error
        }
        ends.initialize(to: Ends())
        self.slots = slots
        mask = capacity - 1
    }

    func deallocate() {
        slots.deallocate()
        ends.deallocate()
    }

    @inlinable public var isEmpty: Bool { ends.pointee.head == ends.pointee.tail }
    /// Effects not yet taken.
    @inlinable public var count: Int { ends.pointee.tail &- ends.pointee.head }

    func append(_ effect: Effect) {
        let tail = ends.pointee.tail
        precondition(tail &- ends.pointee.head <= mask, "one event caused more effects than the queue holds")
        (slots + (tail & mask)).initialize(to: effect)
        ends.pointee.tail = tail &+ 1
    }

    /// Removes and returns the oldest effect; `nil` if there is none.
    @inlinable public func popFirst() -> Effect? {
        let head = ends.pointee.head
        guard head != ends.pointee.tail else { return nil }
        ends.pointee.head = head &+ 1
        return slots[head & mask]
    }
}
