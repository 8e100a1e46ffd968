internal import RingwayEngine
internal import RingwayModel

/// Passes a guest's address requests to the network: IPv6 addresses that it claims or no longer uses, IPv4 addresses
/// that it declined, and refused source addresses. Called by the guest's shards.
final class GuestClaims: AddressClaims {
    private weak let network: VirtualNetwork?
    private let guest: UInt32
    private let mac: MACAddress

    init(_ network: VirtualNetwork, guest: UInt32, mac: MACAddress) {
        self.network = network
        self.guest = guest
        self.mac = mac
    }

    func claim(_ address: IPv6Address) -> Bool { network?.claim(address, by: guest, mac: mac) ?? false }

    func replace(_ address: IPv4Address) -> IPv4Address? { network?.replace(address, of: guest) }

    func release(_ address: IPv6Address) { network?.release(address, of: guest) }

    func refused(_ address: IPAddress) { network?.refused(address, of: guest) }
}
