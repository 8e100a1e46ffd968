internal import RingwayModel
internal import RingwayStack
internal import RingwaySystem

/// Whether a mapping's socket reports the hop limit and the traffic class of what it receives (ip(7), IP_RECVTTL and
/// IP_RECVTOS), and the values that are assumed for datagrams without a report.
///
/// ## Theory of operation
///
/// The kernel writes a control message for each of the two fields. Both together take about a twelfth of the time
/// that passing a full-size datagram to the guest takes. A flow has the same fields in almost all of its datagrams.
/// So when `steadyAfter` datagrams in a row have repeated a sender's fields, the socket stops reporting for a
/// `pause`, and these fields are assumed for that sender's datagrams. A sender that uses ECN may send any datagram
/// with other bits (RFC 3168, section 5), so its fields are always reported. So are the fields of all datagrams on a
/// socket whose senders alternate.
struct MarksReport: BitwiseCopyable {
    /// The number of datagrams in a row that must repeat the fields of an earlier one before reports are turned off.
    static let steadyAfter: UInt8 = 32
    /// Nanoseconds for which the socket does not report, so that a change of the fields may go unnoticed.
    static let pause: UInt64 = 100_000_000

    /// The sender of the last datagram whose fields were reported, and these fields.
    private var sender = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    private var marks = DatagramMarks()
    private(set) var isOn = true
    /// Datagrams in a row that have repeated these fields while the socket reported.
    private var count: UInt8 = 0
    /// While the socket does not report: when it is to report again, in monotonic nanoseconds.
    private var due: UInt64 = 0

    init() {}

    /// The fields of a received datagram. Turns the socket's reports on or off where that is due.
    @inline(__always)
    mutating func marks(
        of datagram: ReceivedDatagram, on descriptor: Int32, ipv4: Bool, now: UInt64
    ) -> DatagramMarks {
        let wasOn = isOn
        let marks = note(datagram.reportedMarks, of: datagram.sender, now: now)
        if isOn != wasOn { HostCalls.receiveMarks(descriptor, ipv4: ipv4, isOn) }
        return marks
    }

    /// Like `marks`, without the system call: if this changes `isOn`, the caller must turn the socket's reports on or
    /// off.
    ///
    /// - Parameters:
    ///   - reported: the fields that the socket reported; `nil` if it did not. That may be so for a while after
    ///     reports were turned on, for datagrams that the kernel had queued before.
    ///   - now: monotonic, nanoseconds.
    @inline(__always)
    mutating func note(_ reported: DatagramMarks?, of sender: TransportAddress, now: UInt64) -> DatagramMarks {
        guard let reported else { return assume(for: sender, now: now) }
        guard reported == marks, sender == self.sender, reported.trafficClass & 3 == 0 else {
            (self.sender, marks, count) = (sender, reported, 0)
            return reported
        }
        // The kernel may have queued this datagram before reports were turned off.
        guard isOn else { return reported }
        count += 1
        if count == Self.steadyAfter { (isOn, due) = (false, now + Self.pause) }
        return reported
    }

    private mutating func assume(for sender: TransportAddress, now: UInt64) -> DatagramMarks {
        let isKnown = sender == self.sender
        if !isOn, !isKnown || now >= due { (isOn, count) = (true, 0) }
        return isKnown ? marks : DatagramMarks()
    }
}
