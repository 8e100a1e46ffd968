internal import ArgumentParser
internal import Ringway

/// The options that say what network the guest is on.
struct NetworkOptions: ParsableArguments {
    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp(
            "Publish a guest's port on the host: [HOSTIP:]HOSTPORT[-END]:GUESTPORT[-END][/tcp|/udp]. Repeatable.",
            discussion: """
                As in Docker. Without HOSTIP it is published on 0.0.0.0 and [::]. A range of ports needs one of \
                the same length on the other side. PORT alone stands for PORT:PORT.
                """,
            valueName: "publish"),
        transform: PublishSpecification.parse)
    var publish: [PortForward] = []

    @Flag(
        name: .customLong("no-splice"),
        help: ArgumentHelp(
            "Send connections from the host's loopback to published ports through the guest's interface too.",
            discussion: """
                Without it \"run\" hands their octets to a socket inside the guest, which is faster. The same is done \
                with --capture, so that the file shows everything.
                """))
    var noSplice = false

    @Option(
        help: ArgumentHelp(
            "The IPv4 network: the gateway is its first address, the guest its second, the host its last. "
                + "(default: 192.168.127.0/24)",
            valueName: "cidr"),
        transform: OptionValue.network)
    var network: CIDRBlock = OptionValue.standardNetwork

    @Option(
        help: ArgumentHelp("The IPv6 /64. (default: a random unique local one)", valueName: "prefix"),
        transform: OptionValue.ipv6Prefix)
    var ipv6Prefix: IPv6Address?

    @Option(
        help: ArgumentHelp("Octets of an IP packet on the link, 1280 to 65520. (default: 1500)", valueName: "octets"),
        transform: OptionValue.mtu)
    var mtu: Int = 1500

    @Option(
        help: ArgumentHelp(
            "A name server to ask, ADDRESS or ADDRESS:PORT. Repeatable. (default: those of /etc/resolv.conf, followed)",
            valueName: "address"),
        transform: OptionValue.nameServer)
    var dns: [TransportAddress] = []

    @Flag(name: .customLong("no-host-loopback"), help: "Keep the guest away from services on the host's loopback.")
    var noHostLoopback = false

    @Option(
        help: ArgumentHelp(
            "Let the guest reach this block though it is refused otherwise, such as 169.254.0.0/16. Repeatable.",
            valueName: "cidr"),
        transform: OptionValue.block)
    var allow: [CIDRBlock] = []

    @Option(
        help: ArgumentHelp("Keep the guest away from this block. Repeatable.", valueName: "cidr"),
        transform: OptionValue.block)
    var deny: [CIDRBlock] = []
}
