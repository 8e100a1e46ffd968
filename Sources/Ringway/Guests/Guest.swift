public import RingwayModel

/// A guest attached to a network.
public struct Guest: Hashable, Sendable, Identifiable, CustomStringConvertible {
    /// A number unique on the network; never reused.
    public let id: UInt32
    /// The ethernet address of the guest. On a network that checks sources, the guest may send from no other.
    public let mac: MACAddress
    /// The address that DHCP assigns to `mac`. Published ports lead to it unless the guest uses another address.
    public let ipv4: IPv4Address
    /// The SLAAC address of `mac` (RFC 4862 §5.5.3), or the address of the `GuestIdentity` with which the guest was
    /// attached.
    public let ipv6: IPv6Address
    /// The guest's name, which other guests resolve as `name.ringway.internal`.
    public let name: String
    /// Whether the name was claimed by the guest's agent, so that it proves nothing about the guest's identity.
    public let claimsName: Bool
    /// The link, for users; for example `qemu:/run/vm.sock`.
    public let link: String

    /// One line: name, address, link.
    public var description: String { "\(name) (\(mac), \(ipv4)) on \(link)" }
}

/// The addresses of a guest that are chosen by the program that attaches it.
public struct GuestIdentity: Hashable, Sendable {
    /// The ethernet address of the guest's interface.
    public var mac: MACAddress
    /// The address that DHCP assigns to `mac`. Published ports lead to it unless the guest uses another address.
    public var ipv4: IPv4Address
    /// The address to which published ports lead IPv6 clients unless the guest uses another address.
    public var ipv6: IPv6Address

    /// An identity chosen by the caller.
    public init(mac: MACAddress, ipv4: IPv4Address, ipv6: IPv6Address) {
        self.mac = mac
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}

/// Selects the guest of a published port.
public enum GuestSelector: Hashable, Sendable, CustomStringConvertible {
    /// The guest that has been attached longest; usually the only one.
    case first
    /// The guest with this address.
    case address(IPv4Address)
    /// The guest with this ethernet address.
    case mac(MACAddress)
    /// The guest with this name.
    case name(String)

    /// Reads an IPv4 address, an ethernet address or a name.
    public init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .address(address)
        } else if let mac = MACAddress(text) {
            self = .mac(mac)
        } else if GuestName.isValid(text) {
            self = .name(text.lowercased())
        } else {
            return nil
        }
    }

    /// In the format that `init` reads; empty for `first`.
    public var description: String {
        switch self {
        case .first: ""
        case .address(let address): "\(address)"
        case .mac(let mac): "\(mac)"
        case .name(let name): name
        }
    }

    /// Whether the selector matches the guest. False for `first`, which depends on the other guests, so the caller
    /// handles it.
    ///
    /// - Parameter trustsClaims: whether a claimed name matches, too.
    func names(_ guest: Guest, trustsClaims: Bool) -> Bool {
        switch self {
        case .first: false
        case .address(let address): guest.ipv4 == address
        case .mac(let mac): guest.mac == mac
        case .name(let name): guest.name == name && (trustsClaims || !guest.claimsName)
        }
    }
}

/// The rules for a guest's name.
public enum GuestName {
    /// The domain of the guests' names.
    public static let domain = "ringway.internal"
    /// Names in that domain that guests cannot have.
    public static let reserved: Set<String> = ["host", "gateway"]

    /// Whether a text is a single label of a host name (RFC 1123 §2.1), and not reserved.
    public static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.lowercased().utf8)
        guard (1...63).contains(bytes.count), !reserved.contains(text.lowercased()) else { return false }
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard isAlphanumeric(bytes[0]), isAlphanumeric(bytes[bytes.count - 1]) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
}
