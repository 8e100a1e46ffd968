internal import Ringway
internal import RingwayControl

/// The state of a network that must survive a restart of `serve`: its IPv4 network and IPv6 prefix, the leases of its
/// guests (addresses and names), and the ports published by the control API, with their owners.
///
/// The JSON contains the version of its format. A release refuses versions that it does not know.
struct NetworkState: Equatable {
    static let version = 1

    /// A port that was published by the control API.
    struct Published: Equatable {
        let forward: PortForward
        let owner: String
    }

    /// An owner of published ports whose ports are removed when its lease expires, unless it renews the lease
    /// (`VirtualNetwork.holdForwards`). `seconds` is the time until the lease expires.
    struct Owner: Equatable {
        let name: String
        let seconds: Int
    }

    /// Why a text is not a valid state.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    var network: CIDRBlock
    var ipv6Prefix: IPv6Address
    /// The links of the network, by which the state of a network without a name is found again.
    var links: [String]
    /// The leases of guests, in the order in which their guests were last attached or detached.
    var leases: [StaticLease]
    var published: [Published]
    var owners: [Owner]

    init(of network: VirtualNetwork, links: [String]) {
        self.network = network.configuration.ipv4Network
        ipv6Prefix = network.plan.ipv6Prefix
        self.links = links
        leases = network.rememberedLeases
        // Ports without an owner are not stored, because they come from the configuration.
        published = network.publishedPorts.filter { !$0.owner.isEmpty }.map {
            Published(forward: $0.forward, owner: $0.owner)
        }
        owners = network.forwardOwners.compactMap { owner in
            owner.secondsLeft.map { Owner(name: owner.name, seconds: $0) }
        }
    }

    // MARK: JSON

    var json: [UInt8] {
        JSONWriter.text { writer in
            writer.object { writer in
                writer.member("version", Self.version)
                writer.member("network", "\(network)")
                writer.member("ipv6Prefix", "\(ipv6Prefix)")
                writer.member("links", links) { $0.string($1) }
                writer.member("leases", leases) { writer, lease in
                    writer.object { writer in
                        writer.member("mac", "\(lease.mac)")
                        writer.member("ipv4", lease.ipv4.map { "\($0)" })
                        writer.member("name", lease.name)
                        writer.member("link", lease.link.map { "\($0)" })
                    }
                }
                writer.member("published", published) { writer, published in
                    writer.object { writer in
                        writer.member("forward", "\(published.forward)")
                        writer.member("owner", published.owner)
                    }
                }
                writer.member("owners", owners) { writer, owner in
                    writer.object { writer in
                        writer.member("name", owner.name)
                        writer.member("seconds", owner.seconds)
                    }
                }
            }
        } + Array("\n".utf8)
    }

    init(json: [UInt8]) throws(Failure) {
        let value: JSONValue
        do throws(JSONReader.Failure) {
            value = try JSONReader.read(json)
        } catch {
            throw Failure(description: error.description)
        }
        guard let version = value["version"]?.int else { throw Failure(description: "it has no version") }
        guard version == Self.version else {
            throw Failure(description: "it is of version \(version), and this release knows \(Self.version)")
        }
        func text(_ value: JSONValue?, _ key: String) -> String { value?[key]?.text ?? "" }
        func elements(_ key: String) -> [JSONValue] { value[key]?.elements ?? [] }
        guard let network = CIDRBlock(text(value, "network")), network.address.isIPv4 else {
            throw Failure(description: "\"network\" is no IPv4 network")
        }
        guard let prefix = IPv6Address(text(value, "ipv6Prefix")), prefix.low == 0 else {
            throw Failure(description: "\"ipv6Prefix\" is no IPv6 prefix")
        }
        self.network = network
        ipv6Prefix = prefix
        links = elements("links").compactMap(\.text)
        leases = []
        for element in elements("leases") {
            guard let mac = MACAddress(text(element, "mac")), let ipv4 = IPv4Address(text(element, "ipv4")) else {
                throw Failure(description: "\"leases\" has an entry without \"mac\" and \"ipv4\"")
            }
            let name = text(element, "name")
            leases.append(
                StaticLease(
                    mac: mac, ipv4: ipv4, name: GuestName.isValid(name) ? name : nil,
                    link: try? LinkAddress(text(element, "link"))))
        }
        published = []
        for element in elements("published") {
            guard let forward = try? PublishSpecification.parseForGuest(text(element, "forward")),
                let owner = try? OptionValue.owner(text(element, "owner"))
            else { throw Failure(description: "\"published\" has an entry without \"forward\" and \"owner\"") }
            published.append(Published(forward: forward, owner: owner))
        }
        owners = []
        for element in elements("owners") {
            guard let name = try? OptionValue.owner(text(element, "name")),
                let seconds = element["seconds"]?.int, (0...86_400).contains(seconds)
            else { throw Failure(description: "\"owners\" has an entry without \"name\" and \"seconds\"") }
            owners.append(Owner(name: name, seconds: seconds))
        }
    }
}
