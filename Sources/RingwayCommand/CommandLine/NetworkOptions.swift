internal import ArgumentParser
internal import Ringway

/// The options about the guest's network.
struct NetworkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The IPv4 network: the gateway is its first address, the guest its second, the host its last. "
                + "(default: 192.168.127.0/24, or, if the host uses that, the first free one of "
                + "192.168.128.0/24 to 192.168.254.0/24 and 10.127.127.0/24 to 10.127.254.0/24, which is reported)",
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
            "A name server to ask, ADDRESS or ADDRESS:PORT. Repeatable. (default: those of /etc/resolv.conf)",
            valueName: "address"),
        transform: OptionValue.nameServer)
    var dns: [TransportAddress] = []

    @Flag(
        name: .customLong("no-host-loopback"),
        help: ArgumentHelp(
            "Deny the guest services on the host's loopback. Services bound to the host's other addresses, or to all "
                + "of them, can still be reached at these addresses, as from any machine: --no-host denies these too."))
    var noHostLoopback = false

    @Flag(
        name: .customLong("no-host"),
        help: ArgumentHelp(
            "Deny the guest every address of the host, including addresses added later, and regardless of --allow. The "
                + "gateway's services and published ports still work."))
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
            "Keep the source port of TCP connections from a guest's ports below 1024, for servers that require "
                + "this (NFS with \"secure\"). Needs CAP_NET_BIND_SERVICE; a port that the host uses, or that may not "
                + "be bound, is replaced by an ordinary one and counted (tcpSourcePortsNotKept)."))
    var privilegedSourcePorts = false

    @Option(
        help: ArgumentHelp(
            "Where ports may be published: all, loopback, or addresses of the host with commas between them. A "
                + "request for every address gets these. (default: all)", valueName: "where"),
        transform: OptionValue.bindPolicy)
    var publishOn = BindPolicy.everywhere

    @Option(
        help: ArgumentHelp(
            "Allow this block where it is refused otherwise, such as 169.254.0.0/16. Repeatable.",
            valueName: "cidr"),
        transform: OptionValue.block)
    var allow: [CIDRBlock] = []

    @Option(
        help: ArgumentHelp(
            "Deny the guest this block. Denying the host's loopback by its own addresses, such as 127.0.0.0/8, also "
                + "denies the address of host.ringway.internal, unless --allow names exactly that one. Where both 0.0.0.0/0 "
                + "and ::/0 are denied and nothing is allowed, only the network's own names are resolved. Repeatable.",
            valueName: "cidr"),
        transform: OptionValue.block)
    var deny: [CIDRBlock] = []
}
