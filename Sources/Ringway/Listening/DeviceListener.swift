internal import Glibc
internal import RingwayModel
internal import RingwayTap

/// A TAP device: its interface is the guest, until the device is deleted.
final class DeviceListener: GuestListener, Sendable {
    private let queues: [Int32]
    private let offloads: TapOffloads
    private let mac: MACAddress
    private let place: ListenerPlace

    /// - Parameter device: its queues are adopted.
    init(_ device: consuming TapDevice, place: ListenerPlace) {
        offloads = device.offloads
        mac = device.mac
        self.place = place
        queues = device.relinquish()
    }

    var isOver: Bool { true }

    func begin() {
        guard let network = place.network else { return }
        var sockets = GuestSockets.none
        do throws(VirtualNetwork.Failure) {
            let link = Link(queues: queues, takesUDPSuperFrames: offloads.isSuperset(of: .udpSegmentation))
            sockets = TapSockets.source(of: queues[0], queues: queues.count, plan: network.plan)
            try network.attach(link, mac: mac, at: place.address, sockets: sockets)
        } catch {
            for end in sockets.descriptors { Glibc.close(end) }
            for queue in queues { Glibc.close(queue) }
            place.report(error.description)
        }
    }

    func guestLeft(_ guest: Guest.ID) {}
    func close() {}
}
