internal import Ringway

/// The prose of the help: what options alone do not say.
enum HelpText {
    static let root = """
        Ringway carries the ethernet traffic of a network namespace to ordinary sockets of the host and back, with \
        TCP/IP stacks of its own. Nothing on the host is configured, and no root is needed where user namespaces are \
        allowed.

        EXAMPLES
          ringway run -- curl http://host.ringway.internal:8080/
          ringway run -p 8080:80 -- nginx -g 'daemon off;'
          ringway attach --netns /run/netns/blue
          ringway doctor

        EXIT STATUS
          0  success; under "run" it is COMMAND's
          1  failure of "attach"; "doctor" found that "run" would not work
          2  the command line makes no sense
          125, 126, 127  see "ringway run --help"

        \(limits)
        """

    static let run = """
        COMMAND runs in new network and mount namespaces. It finds one interface with an IPv4 and an IPv6 address, \
        default routes, and an /etc/resolv.conf that names the gateway. Standard input and output, the terminal and \
        the working directory are the caller's. An ordinary user is root in the namespaces, and only there.

        Signals sent to ringway are passed on to COMMAND. COMMAND never outlives ringway.

        \(names)

        \(addresses)

        EXAMPLES
          ringway run -- curl http://host.ringway.internal:8080/
              Fetch from a server on the host's loopback.
          ringway run -p 8080:80 -p 127.0.0.1:5353:53/udp -- ./server
              Publish TCP port 80 everywhere, and UDP port 53 on the loopback alone.
          ringway run -p 9000-9099:9000-9099 bash
              A shell whose ports 9000 to 9099 are published.
          ringway run --no-host-loopback --deny 10.0.0.0/8 -- make test
              Keep the tests away from the host's services and the company's.
          ringway run --capture talk.pcapng -- dig example.org
              Look at the packets afterwards: tcpdump -r talk.pcapng

        EXIT STATUS
          COMMAND's own, or 128 + N when signal N ended it, and
          2    the command line makes no sense
          125  ringway itself failed
          126  COMMAND cannot be executed
          127  COMMAND was not found
        """

    static let attach = """
        An interface is made in the namespace, with an IPv4 and an IPv6 address and default routes; a namespace \
        whose default route is set already is refused. /etc/resolv.conf is left alone: the gateway answers DNS, DHCP \
        and router solicitations, for whatever runs there to ask.

        Ringway stays in the foreground until SIGTERM, SIGINT or SIGHUP, until the process of --pid ends, until the \
        file of --netns is gone, or until the interface is deleted. An ordinary user may attach to namespaces of \
        user namespaces of their own.

        \(names)

        \(addresses)

        EXAMPLES
          ip netns add blue && ringway attach --netns /run/netns/blue
          ringway attach --pid 4711 -p 8080:80 --ready-fd 3 3>ready

        EXIT STATUS
          0  it ended for one of the reasons above
          1  it failed
          2  the command line makes no sense
        """

    static let doctor = """
        Each line says whether something is there, what its absence costs and how to mend it. Nothing is changed: \
        what has to be tried is tried in namespaces that vanish with the command.

        EXIT STATUS
          0  "ringway run" works
          1  it does not
        """

    private static let names = """
        NAMES
          host.ringway.internal       the host, its loopback included
                                      (also host.docker.internal and
                                      host.containers.internal)
          gateway.ringway.internal    the gateway: DNS and DHCP
                                      (also gateway.docker.internal)
        """

    private static let addresses = """
        ADDRESSES
          192.168.127.1    the gateway         (IPv6: the prefix's ::1)
          192.168.127.2    the guest           (IPv6: as SLAAC makes it)
          192.168.127.254  the host            (IPv6: the prefix's ::fe)

        --network and --ipv6-prefix choose other networks. Link-local and metadata addresses (169.254.0.0/16) are \
        refused unless allowed.
        """

    /// The table of bounds, made of the one in code.
    static var limits: String {
        let rows = Limits.table.map { row in
            ["\(row.flag)", row.defaultValue, "\(row.name)\n\(row.atTheBound)\n(\(row.counter))"]
        }
        let lines = TextTable.lines(
            [["OPTION", "DEFAULT", "WHAT IT BOUNDS\nWHAT HAPPENS AT THE BOUND\n(COUNTER)"]] + rows)
        return "LIMITS\n" + lines.map { "  " + $0 }.joined(separator: "\n")
    }

    /// What an option that sets a bound says, made of the same table.
    static func limit(_ flag: String) -> String {
        guard let row = Limits.table.first(where: { $0.flag == flag }) else { return "See the table of limits." }
        return "\(row.name), at the bound \(row.atTheBound). (default: \(row.defaultValue))"
    }
}
