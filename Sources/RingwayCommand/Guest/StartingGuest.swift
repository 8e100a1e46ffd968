internal import CRingway
internal import Glibc
internal import Ringway
internal import RingwaySystem
internal import RingwayTap

/// The bridge's handle of the child process that sets up the guest, from the fork on.
struct StartingGuest: ~Copyable {
    let process: GuestProcess
    /// The shards' ends of the socket pairs; ownership passes to the caller that attaches the guest.
    let sockets: [Int32]
    private let handover: TapHandover

    /// Forks the guest's process, which starts at once. The caller must have one thread, because other threads do not
    /// survive a fork.
    init(_ order: BridgeOrder, signals: SignalOrigin) throws(CommandFailure) {
        let pairs = order.splices ? SocketPairs(count: order.queues) : .none
        let setup = GuestSetup(
            origin: order.origin, interface: try order.interface(), interfaceName: order.interfaceName,
            queues: order.queues, plan: order.plan, signals: signals, parent: getpid(), sockets: pairs.guest)
        let pair: TapHandover.Pair
        do throws(GuestFailure) {
            pair = try TapHandover.pair()
        } catch {
            throw CommandFailure(error.message)
        }
        let child = ringway_fork()
        guard child >= 0 else { throw CommandFailure("cannot fork: \(String(cString: strerror(errno)))") }
        if child == 0 {
            // The bridge's ends must not stay open in the child; otherwise the child would not notice the end of the
            // bridge.
            pairs.closeBridge()
            setup.run(pair.keepGuest())
        }
        pairs.closeGuest()
        sockets = pairs.bridge
        process = GuestProcess(identifier: child)
        handover = pair.keepBridge()
    }

    /// Waits for the queues of the guest's interface. The caller owns their descriptors.
    borrowing func queues() throws(CommandFailure) -> (descriptors: [Int32], offloads: TapOffloads) {
        switch handover.awaitOffer() {
        case .queues(let descriptors, let offloads): return (descriptors, offloads)
        case .failure(let message): throw CommandFailure(message)
        case .configured, .silence: throw silence
        }
    }

    /// Waits until addresses, routes and mounts are set up. Returns why no resolv.conf could be mounted; empty if
    /// nothing failed.
    borrowing func awaitConfigured() throws(CommandFailure) -> String {
        switch handover.awaitOffer() {
        case .configured(let note): return note
        case .failure(let message): throw CommandFailure(message)
        case .queues(let descriptors, _):
            for descriptor in descriptors { close(descriptor) }
            throw silence
        case .silence: throw silence
        }
    }

    /// Lets the guest's process become COMMAND.
    borrowing func go() { handover.sendGo() }

    /// Ends a guest's process that has not become COMMAND. The process first gets time to remove its changes from
    /// namespaces that continue to exist; if it has not ended after `moment`, it is killed.
    borrowing func end() {
        handover.hangUp()
        let descriptor = ringway_process_descriptor(process.identifier)
        if !Readiness.wait(for: descriptor, milliseconds: Self.moment) { process.send(SIGKILL) }
        if descriptor >= 0 { close(descriptor) }
        _ = process.waitForEnd()
    }

    /// Timeout of `end`, in milliseconds.
    private static var moment: Int32 { 3000 }

    private var silence: CommandFailure { CommandFailure("the guest's side ended before it was set up") }
}
