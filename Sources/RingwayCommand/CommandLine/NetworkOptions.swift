internal import ArgumentParser
internal import Ringway

/// The options about the guest's network.
struct NetworkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The IPv4 network: the gateway is its first address, the guest its second, the host its last. "
                + "(default: 192.168.127.0/24, or where this host has or reaches that the first free one of "
                + "192.168.128.0/24 to 192.168.254.0/24 and 10.127.127.0/24 to 10.127.254.0/24, which is said)",
            valueName: "cidr"),
        transform: OptionValue.network)
    var network: CIDRBlock?

    @Option(
        help: ArgumentHelp("The IPv6 /64. (default: a random unique local one)", valueName: "prefix"),
        transform: OptionValue.ipv6Prefix)
    var ipv6Prefix: IPv6Address?

    @Option(
        help: ArgumentHelp("Bytes of an IP packet on the link, 1280 to 65520. (default: 1500)", valueName: "bytes"),
        transform: OptionValue.mtu)
    var mtu: Int = 1500

    @Option(
        help: ArgumentHelp(
            "A name server to ask, ADDRESS or ADDRESS:PORT. Repeatable. (default: those of /etc/resolv.conf, followed)",
            valueName: "address"),
        transform: OptionValue.nameServer)
    var dns: [TransportAddress] = []

    @Flag(
        name: .customLong("no-host-loopback"),
        help: ArgumentHelp(
            "Keep the guest away from services on the host's loopback. What listens at the host's other addresses it "
                + "reaches there as any machine does, what listens at all of them included: --no-host keeps it from "
                + "these too."))
    var noHostLoopback = false

    @Flag(
        name: .customLong("no-host"),
        help: ArgumentHelp(
            "Keep the guest away from every address of this host, as they come and go, whatever --allow says. The "
                + "gateway's own services and published ports stay."))
    var noHost = false

    @Option(
        help: ArgumentHelp(
            "The senders whose datagrams reach a UDP port that the guest has sent from: addresses that it has sent to "
                + "(address), addresses and ports that it has sent to (address-and-port), or all "
                + "(endpoint-independent). Published ports are not filtered. (default: address)", valueName: "senders"),
        transform: OptionValue.udpFiltering)
    var udpFiltering = UDPFiltering.address

    @Flag(
        name: .customLong("privileged-source-ports"),
        help: ArgumentHelp(
            "Let TCP connections from a guest's ports below 1024 come from the same ports of the host, for servers that ask "
                + "for that (NFS with \"secure\"). Needs CAP_NET_BIND_SERVICE; a port that the host uses, or that may not "
                + "be bound, is replaced by an ordinary one and counted (tcpSourcePortsNotKept)."))
    var privilegedSourcePorts = false

    @Option(
        help: ArgumentHelp(
            "Where ports may be published: all, loopback, or addresses of the host with commas between them. Who asks "
                + "for every address gets these. (default: all)", valueName: "where"),
        transform: OptionValue.bindPolicy)
    var publishOn = BindPolicy.everywhere

    @Option(
        help: ArgumentHelp(
            "Let the guest reach this block though it is refused otherwise, such as 169.254.0.0/16. Repeatable.",
            valueName: "cidr"),
        transform: OptionValue.block)
    var allow: [CIDRBlock] = []

    @Option(
        help: ArgumentHelp(
            "Keep the guest away from this block. The host's loopback is refused by its own addresses, such as "
                + "127.0.0.0/8, as by the one under which the guest knows it, unless --allow names exactly that one. "
                + "Repeatable.", valueName: "cidr"),
        transform: OptionValue.block)
    var deny: [CIDRBlock] = []
}
