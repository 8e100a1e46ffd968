internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwaySystem
internal import RingwayTap

/// The guest's interface: a TAP device whose descriptors the agent holds.
///
/// The interface outlives sessions with the host: the guest keeps its interface, addresses and connections while the
/// host is unreachable.
final class GuestInterface {
    let name: String
    let mac: MACAddress
    private(set) var queues: [Int32]
    let takesUDPSuperFrames: Bool
    /// The last configuration of the interface.
    private(set) var network: GuestNetwork?

    /// Creates the device.
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

    /// Limits the device to its first queues.
    func keep(queues count: Int) {
        // A closed queue gets no more frames.
        while queues.count > max(1, count) { close(queues.removeLast()) }
    }

    /// Sets the interface's ethernet address and MTU. With `configures` it also sets IP addresses and default routes.
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
