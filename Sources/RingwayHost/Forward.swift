public import RingwayWire

/// One shard's part of a published port: a host socket whose clients or datagrams go to the guest.
@frozen
public struct Forward: BitwiseCopyable {
    public var descriptor: Int32
    /// The control plane's number for the forward that the socket belongs to; a range is one forward.
    public var number: UInt32
    /// Where it leads. A client of the other family meets the guest's address of that family.
    public var guest: TransportAddress
    /// A TCP listener rather than a UDP socket.
    public var isStream: Bool
    /// The kernel has an operation on the socket in its hands.
    public var isArmed = false
    /// The socket is closed as soon as the kernel has given that operation back.
    public var isEnding = false
    /// A receive found no buffer and is to be armed again.
    public var isStarved = false
    /// An accept found no descriptor, and is to be armed again after a pause.
    public var isDeferred = false
    /// Until when clients go by the link although there is a shorter way, in monotonic nanoseconds: a server has not
    /// answered on the inside.
    public var linkUntil: UInt64 = 0
    /// Of a UDP socket: the host's address and port that it is bound to.
    public var bound = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    public var fragmentation = FragmentationSetting()
    /// Whether a server has answered on the inside since it last did not.
    public var hasSpliced = false

    public init(descriptor: Int32, number: UInt32, guest: TransportAddress, isStream: Bool) {
        self.descriptor = descriptor
        self.number = number
        self.guest = guest
        self.isStream = isStream
    }
}
