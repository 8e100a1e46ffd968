import RingwayModel
import RingwayRing
import Testing

/// Same engine, same tests: what drives its shards on this machine.
extension BackEnd {
    static var here: [BackEnd] { KernelFeatures.probe().carriesDataPath ? [.ioUring, .epoll] : [.epoll] }

    /// What a ring of this back end is made from.
    var features: KernelFeatures { self == .epoll ? .epoll : .probe() }
}

/// How frames lie on a queue, and what drives the shard behind it.
struct Carrier: Sendable, CustomTestStringConvertible {
    var framing = Link.Framing.device
    var backEnd: BackEnd

    static let framings: [Link.Framing] = [.device, .datagram] + StreamFraming.allCases.map { .stream($0) }
    /// Every pair of the two.
    static let all = BackEnd.here.flatMap { backEnd in framings.map { Carrier(framing: $0, backEnd: backEnd) } }
    /// Every back end, with a queue as a TAP has it.
    static let devices = BackEnd.here.map { Carrier(backEnd: $0) }
    /// Every framing but the TAP's, with every back end.
    static let sockets = all.filter { $0.framing != .device }

    var testDescription: String { "\(framing) on \(backEnd)" }
}
