public import RingwayWire

/// One shard's part of a published port: a host socket whose clients or datagrams go to the guest.
@frozen
public struct Forward: BitwiseCopyable {
    /// Lent by the control plane, which has it back when the kernel has nothing on it under way any more.
    public var descriptor: Int32
    /// The control plane's number for the forward that the socket belongs to; a range is one forward.
    public var number: UInt32
    /// Where it leads. A client of the other family meets the guest's address of that family.
    public var guest: TransportAddress
    /// A TCP listener rather than a UDP socket.
    public var isStream: Bool
    /// The kernel has an operation on the socket in its hands.
    public var isArmed = false
    /// The socket is given back as soon as the kernel has given that operation back.
    public var isEnding = false
    /// A receive found no buffer and is to be armed again.
    public var isStarved = false
    /// When to make sure next that the guest has the address, in monotonic nanoseconds; and how often, of UDP.
    public var doubtAt: UInt64 = 0
    public static var doubtInterval: UInt64 { 200_000_000 }
    /// An accept found no descriptor, and is to be armed again after a pause.
    public var isDeferred = false
    /// Of a UDP socket: the host's address and port that it is bound to.
    public var bound = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    public var fragmentation = FragmentationSetting()

    public init(descriptor: Int32, number: UInt32, guest: TransportAddress, isStream: Bool) {
        self.descriptor = descriptor
        self.number = number
        self.guest = guest
        self.isStream = isStream
    }
}
