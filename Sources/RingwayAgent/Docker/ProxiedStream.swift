internal import Glibc
internal import RingwayModel
internal import RingwayRelay
internal import RingwaySystem

/// A client of a published port inside the guest, relayed to a server inside the guest.
final class ProxiedStream: LoopRelay {
    /// - Parameter client: adopted.
    init(_ group: RelayGroup, client: Int32) {
        super.init(group, near: client, far: -1, farHasRecords: false)
    }

    func dial(_ target: DialTarget) {
        switch Dialer.dial(target) {
        case .connected(let server):
            setFar(server)
            guard watch(.near), watch(.far) else { return end(reset: true) }
            begin()
        case .connecting(let server):
            setFar(server)
            guard watch(.near), watch(.far) else { return end(reset: true) }
        case .busy, .refused: end(reset: true)
        }
    }

    override func negotiate(_ events: EventLoop.Events, of side: Relay.Side) {
        switch Dialer.connectError(relay.far.descriptor) {
        case 0: begin()
        case EINPROGRESS: break
        default: end(reset: true)
        }
    }
}
