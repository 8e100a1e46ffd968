internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem
internal import RingwayTap
internal import RingwayWire

/// The guest's interface: a TAP device whose other side the agent holds.
///
/// It outlives connections with the host: a guest keeps its interface, its addresses and its connections while the host
/// is away.
final class GuestInterface {
    let name: String
    let mac: MACAddress
    private(set) var queues: [Int32]
    let takesUDPSuperFrames: Bool
    /// What the interface was configured for last.
    private(set) var network: GuestNetwork?

    /// Makes the device.
    init(name: String, mac: MACAddress, queues: Int) throws(AgentFailure) {
        self.name = name
        self.mac = mac
        do throws(SystemError) {
            let device = try TapDevice.make(name: name, queues: queues)
            takesUDPSuperFrames = device.offloads.isSuperset(of: .udpSegmentation)
            self.queues = device.relinquish()
        } catch {
            throw AgentFailure("\(error)")
        }
    }

    deinit { for queue in queues { close(queue) } }

    /// Has the device spread the guest's frames over its first queues alone.
    func keep(queues count: Int) {
        // Closed ones get no more frames.
        while queues.count > max(1, count) { close(queues.removeLast()) }
    }

    /// Gives the interface its ethernet address and its MTU, and when `configures` all that the network says of it.
    func set(_ network: GuestNetwork, configures: Bool) throws(AgentFailure) {
        let configuration = InterfaceConfiguration(
            mac: mac, mtu: Int(network.mtu), ipv4: network.ipv4, ipv4Gateway: network.ipv4Gateway, ipv6: network.ipv6,
            ipv6Gateway: network.ipv6Gateway, ownsNamespace: false)
        do throws(SystemError) {
            if configures {
                try configuration.apply(to: name)
            } else {
                try configuration.applyLink(to: name)
            }
        } catch {
            throw AgentFailure("\(error)")
        }
        self.network = network
    }
}
