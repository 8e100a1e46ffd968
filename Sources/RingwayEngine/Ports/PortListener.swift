internal import RingwayModel

/// One shard's part of a published port: a host socket whose clients or datagrams go to the guest.
///
///     idle ◄──► armed ──► ending ──► gone
///       └──► deferred or starved ──► armed
struct PortListener: BitwiseCopyable {
    /// Where the multishot accept or receive on the socket stands.
    enum State: UInt8, BitwiseCopyable {
        /// The kernel has no operation on the socket.
        case idle
        case armed
        /// A receive found no buffer, and is to be armed when one has come back.
        case starved
        /// An accept found no descriptor, and is to be armed after a pause.
        case deferred
        /// The socket is given back as soon as the kernel has given the operation on it back.
        case ending
    }

    /// Lent by the control plane, which has it back when the kernel has no operation on it any more.
    let descriptor: Int32
    /// The control plane's number for the forward that the socket belongs to; a range of ports is one forward.
    let number: UInt32
    /// Where it leads. A client of the other family is connected to the guest's address of that family.
    let guest: TransportAddress
    /// A TCP listener rather than a UDP socket.
    let isStream: Bool
    var state = State.idle
    /// Of UDP: when to make sure next that the guest has the address, in monotonic nanoseconds; and how often.
    var doubtAt: UInt64 = 0
    static var doubtInterval: UInt64 { 200_000_000 }
    /// Of a UDP socket: the host's address and port that it is bound to.
    var bound = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    var fragmentation = FragmentationSetting()

    init(descriptor: Int32, number: UInt32, guest: TransportAddress, isStream: Bool) {
        self.descriptor = descriptor
        self.number = number
        self.guest = guest
        self.isStream = isStream
    }
}
