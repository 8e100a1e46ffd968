internal import Glibc
internal import Ringway
internal import RingwayControl
internal import RingwayTap

/// A network with its guest attached and its ports published: the bridge at work.
struct BridgeConnection {
    let network: VirtualNetwork
    let control: LazyControl
    /// Why the guest's programs do not find the gateway's names by themselves; empty where they do, or nothing was tried.
    private(set) var note = ""
    private let statistics: StatisticsFile?
    private let reports: VirtualNetwork.Subscription

    /// Connects the guest that is being set up and waits until it is. Nothing is left running when it throws.
    init(_ order: BridgeOrder, to guest: borrowing StartingGuest) throws(CommandFailure) {
        statistics = order.statistics
        do throws(VirtualNetwork.Failure) {
            network = try VirtualNetwork(order.configuration)
        } catch {
            throw CommandFailure(error.description)
        }
        reports = network.subscribe { event in
            switch event {
            case .captureFailed, .captureResumed: StandardError.write("\(event)")
            default: break
            }
        }
        let socket: ControlSocket
        do throws(CommandFailure) {
            socket = try ControlSocket.open(order.control, name: order.controlName)
        } catch {
            network.stop()
            throw error
        }
        control = LazyControl(socket, network, identity: order.controlIdentity)
        do throws(CommandFailure) {
            try connect(order, to: guest)
            if order.announces {
                let parts = ["attached to \(order.origin.description)", socket.notice]
                StandardError.write(parts.compactMap(\.self).joined(separator: "; "))
            }
            order.ready?.send(network.publishedPorts)
        } catch {
            control.stop()
            network.stop()
            throw error
        }
    }

    private mutating func connect(_ order: BridgeOrder, to guest: borrowing StartingGuest) throws(CommandFailure) {
        let (queues, offloads) = try guest.queues()
        do throws(VirtualNetwork.Failure) {
            try network.attach(
                tap: queues, guest: order.identity,
                takesUDPSuperFrames: offloads.isSuperset(of: .udpSegmentation),
                sockets: GuestSockets(descriptors: guest.sockets))
            for forward in order.publish {
                let port = try network.publish(forward)
                if port.isChosen { StandardError.write("\(VirtualNetwork.Event.forwardAdded(port))") }
            }
        } catch {
            throw CommandFailure(error.description)
        }
        note = try guest.awaitConfigured()
        // A file that cannot be written is worth knowing before the work, not after it.
        try statistics?.write(network.statistics().json)
    }

    /// When the counters are due, in milliseconds from now; negative for never.
    var statisticsInterval: Int32 { statistics == nil ? -1 : 1000 }

    /// Writes the counters.
    func renewStatistics() { statistics?.renew(network.statistics().json) }

    /// Ends the network.
    func stop() {
        renewStatistics()
        control.stop()
        network.stop()
    }
}
