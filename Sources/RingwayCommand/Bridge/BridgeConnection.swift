internal import Glibc
internal import Ringway
internal import RingwayControl
internal import RingwayTap

/// The running network of `run` or `attach`, with its guest attached and its ports published.
struct BridgeConnection {
    let network: VirtualNetwork
    let control: LazyControl
    /// Why no resolv.conf could be mounted for the guest's programs; empty if one was mounted or none was attempted.
    private(set) var note = ""
    private let statistics: StatisticsFile?
    private let reports: VirtualNetwork.Subscription

    /// Starts the network, attaches the guest that is being set up, and waits until the guest is configured. On
    /// failure the network is stopped, and the caller must end the guest's process.
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
        // The statistics file is written once here, so that the start fails if it cannot be written.
        try statistics?.write(network.statistics().json)
    }

    /// Milliseconds between two writes of the statistics file; negative if there is no such file.
    var statisticsInterval: Int32 { statistics == nil ? -1 : 1000 }

    /// Writes the statistics file, if there is one.
    func renewStatistics() { statistics?.renew(network.statistics().json) }

    /// Writes the statistics a last time, and ends the control API and the network.
    func stop() {
        renewStatistics()
        control.stop()
        network.stop()
    }
}
