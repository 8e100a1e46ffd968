public import RingwayModel

/// Which guests may use a link, and with which identity.
///
/// On a link without terms a guest is identified by the ethernet address of its first frame, or by what its agent
/// says; this is safe only if the guests trust each other. A link with a name or an ethernet address is reserved for
/// one machine, which no guest on another link can impersonate.
public struct LinkTerms: Hashable, Sendable {
    /// The name of the machine that may use the link. If a static lease has this name, the link is for the machine of
    /// that lease; otherwise any machine may connect and gets the name.
    public var guest: String?
    /// The ethernet address of the link's machine.
    public var mac: MACAddress?
    /// The CIDs that may connect to a vsock port; empty for those of all virtual machines. Programs on the host
    /// itself count as CID 1, which must be listed explicitly.
    public var machines: Set<UInt32>

    /// Terms of a link; without arguments every guest may connect.
    public init(guest: String? = nil, mac: MACAddress? = nil, machines: Set<UInt32> = []) {
        self.guest = guest?.lowercased()
        self.mac = mac
        self.machines = machines
    }

    /// Whether the link is reserved for one machine.
    public var isBound: Bool { guest != nil || mac != nil }

    /// Why the network must not listen at the address with these terms: a required term is missing, or a term does
    /// not apply to this kind of link. `nil` if there is no problem.
    ///
    /// - Parameter hasToken: whether agents need a token.
    public func problem(at address: LinkAddress, hasToken: Bool) -> String? {
        guard case .agentPort = address else {
            return machines.isEmpty ? nil : "\(address): only machines of a vsock have a CID; use guest= or mac="
        }
        guard machines.isEmpty, !hasToken else { return nil }
        return "\(address): any machine with a vsock could connect; "
            + "name those that may by \"\(address),cid=N\", or have agents show a token by --agent-token FILE"
    }
}

/// A link and its terms, as in the text `qemu:/run/web.sock,guest=web`.
public struct LinkSpecification: Hashable, Sendable, CustomStringConvertible {
    public var address: LinkAddress
    public var terms: LinkTerms

    public init(_ address: LinkAddress, _ terms: LinkTerms = LinkTerms()) {
        self.address = address
        self.terms = terms
    }

    /// The accepted syntax of terms, for help and errors.
    public static let forms = "guest=NAME, mac=ADDRESS, and cid=N for vsock"

    private static let keys = ["guest", "mac", "cid"]

    /// Reads a link as `LinkAddress` does, and the terms after it. A path may contain commas and equals signs, but must
    /// not end in text that reads as a term, such as `,guest=web`.
    public init(_ text: String) throws(VirtualNetwork.Failure) {
        var rest = Substring(text)
        var words: [(key: String, value: String)] = []
        while let comma = rest.lastIndex(of: ",") {
            let word = rest[rest.index(after: comma)...].split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false
            ).map(String.init)
            guard word.count == 2, Self.keys.contains(word[0]), !word[1].contains("/") else { break }
            words.insert((word[0], word[1]), at: 0)
            rest = rest[..<comma]
        }
        address = try LinkAddress(String(rest))
        terms = LinkTerms()
        for (key, value) in words { try take(key, value) }
    }

    private mutating func take(_ key: String, _ value: String) throws(VirtualNetwork.Failure) {
        switch key {
        case "guest":
            guard terms.guest == nil else { throw VirtualNetwork.Failure("\(address): guest= is there twice") }
            guard GuestName.isValid(value) else {
                throw VirtualNetwork.Failure(
                    "\"\(value)\" is no guest's name, which has 1 to 63 letters, digits and hyphens; use guest=web, say"
                )
            }
            terms.guest = value.lowercased()
        case "mac":
            guard terms.mac == nil else { throw VirtualNetwork.Failure("\(address): mac= is there twice") }
            guard let mac = MACAddress(value), !mac.isMulticast, mac.rawValue != 0 else {
                throw VirtualNetwork.Failure(
                    "\"\(value)\" is not a guest's ethernet address; use mac=52:54:00:12:34:56, say")
            }
            terms.mac = mac
        default:
            // The highest value means any machine (vsock(7)).
            guard let machine = UInt32(digits: value), machine < .max else {
                throw VirtualNetwork.Failure("\"\(value)\" is not the CID of a machine; use cid=3, say")
            }
            terms.machines.insert(machine)
            if let problem = terms.problem(at: address, hasToken: true) { throw VirtualNetwork.Failure(problem) }
        }
    }

    /// In the format that `init` reads.
    public var description: String {
        var text = "\(address)"
        for machine in terms.machines.sorted() { text += ",cid=\(machine)" }
        if let guest = terms.guest { text += ",guest=\(guest)" }
        if let mac = terms.mac { text += ",mac=\(mac)" }
        return text
    }
}
