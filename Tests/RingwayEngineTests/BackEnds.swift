import RingwayModel
import RingwayRing
import Testing

/// The same tests for each back end on this machine.
extension BackEnd {
    static var here: [BackEnd] { KernelFeatures.probe().carriesDataPath ? [.ioUring, .epoll] : [.epoll] }

    /// The features with which a ring of this back end is created.
    var features: KernelFeatures { self == .epoll ? .epoll : .probe() }
}

/// The framing of a queue, and the back end of its shard.
struct Carrier: Sendable, CustomTestStringConvertible {
    var framing = Link.Framing.device
    var backEnd: BackEnd

    static let framings: [Link.Framing] = [.device, .datagram] + StreamFraming.allCases.map { .stream($0) }
    /// All pairs of the two.
    static let all = BackEnd.here.flatMap { backEnd in framings.map { Carrier(framing: $0, backEnd: backEnd) } }
    /// Every back end, with TAP framing.
    static let devices = BackEnd.here.map { Carrier(backEnd: $0) }
    /// Every framing except the TAP's, with every back end.
    static let sockets = all.filter { $0.framing != .device }

    var testDescription: String { "\(framing) on \(backEnd)" }
}
