internal import ArgumentParser
internal import Ringway

/// The options about the single guest of `run` and `attach`.
struct GuestOptions: ParsableArguments {
    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp(
            "Publish a guest's port on the host: [HOSTIP:][HOSTPORT[-END]:]GUESTPORT[-END][/tcp|/udp]. Repeatable.",
            discussion: """
                As in Docker. Without HOSTIP it is published on 0.0.0.0 and [::]. A range of ports needs one of the \
                same length on the other side. Without HOSTPORT, or with 0, a free port of the host is chosen; with a \
                range of host ports for a single guest port, a free one of the range. The chosen port is reported on \
                standard error, by "publish ls", and to --ready-fd.
                """,
            valueName: "publish"),
        transform: PublishSpecification.parse)
    var publish: [PortForward] = []

    @Flag(
        name: .customLong("no-splice"),
        help: ArgumentHelp(
            "Send connections from the host's loopback to published ports through the guest's interface too.",
            discussion: """
                Without this option their bytes are relayed to a socket inside the guest, which is faster. --capture \
                implies this option, so that the file has all frames.
                """))
    var noSplice = false

    @Option(
        help: ArgumentHelp("The name of the guest's interface. (default: eth0)", valueName: "name"),
        transform: OptionValue.interfaceName)
    var ifname: String = "eth0"

    func validate() throws { try PublishSpecification.refuseConflicts(publish) }
}
