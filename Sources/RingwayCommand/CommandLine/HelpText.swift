internal import Ringway

/// The text of the help, except for the options.
enum HelpText {
    static let root = """
        Ringway carries the ethernet traffic of network namespaces and virtual machines to ordinary sockets of the \
        host and back, with TCP/IP stacks of its own. Nothing on the host is configured, and no root is needed where user namespaces are \
        allowed.

        EXAMPLES
          ringway run -- curl http://host.ringway.internal:8080/
          ringway run -p 8080:80 -- nginx -g 'daemon off;'
          ringway attach --netns blue
          ringway serve --listen qemu:/tmp/vm.sock -p 2222:22
          ringway ls
          ringway publish add 8080:80
          ringway flows
          ringway doctor

        EXIT STATUS
          0  success; under "run" it is COMMAND's
          1  failure of "attach" or "serve"; "doctor" found that "run" would not work
          2  the command line makes no sense
          125, 126, 127  see "ringway run --help"

        \(limits)
        """

    static let run = """
        COMMAND runs in new network and mount namespaces. It finds one interface with an IPv4 and an IPv6 address, \
        default routes, and an /etc/resolv.conf that names the gateway, whatever becomes of the host's file. Standard \
        input and output, the terminal and the working directory are the caller's. An ordinary user is root in the \
        namespaces, and only there; /etc is read-only then, and its entries are links to the host's.

        Signals sent to ringway are passed on to COMMAND. COMMAND never outlives ringway.

        Meanwhile "ringway status", "publish", "flows" and the like find the network by its name, run-PID unless --name \
        is given; "ringway ls" shows it.

        \(names)

        \(addresses)

        EXAMPLES
          ringway run -- curl http://host.ringway.internal:8080/
              Fetch from a server on the host's loopback.
          ringway run -p 8080:80 -p 127.0.0.1:5353:53/udp -- ./server
              Publish TCP port 80 everywhere, and UDP port 53 on the loopback alone.
          ringway run -p 80 -p 9000-9099:9000-9099 bash
              A shell whose ports 9000 to 9099 are published, and port 80 at one that is free, which is said.
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
        whose default route is set already is refused, unless --no-default-route leaves that in force. The gateway \
        answers DNS, DHCP and router solicitations, for whatever runs there to ask.

        With --pid, the /etc/resolv.conf that the process sees names the gateway until the end, if it has a mount \
        namespace of its own: by a mount there, no file is written. With --netns, programs in the namespace see the \
        machine's file, or that of "ip netns", which --write-netns-resolv writes. What applies is said on standard \
        error.

        Connections from the host's loopback to published ports go around the interface. For that the namespace gets \
        a rule for packets with a mark, a table of routes, and has connections take marks over, all of it from the \
        first such client until the end, and only where its rules have no marks yet.

        When the network is up a line on standard error says so, and where its control socket is. "ringway status", \
        "publish", "flows" and the like find it by its name: that of --name, else of the namespace.

        Ringway stays in the foreground until SIGTERM, SIGINT or SIGHUP, until the process of --pid ends, until the \
        file of --netns is gone, or until the interface is deleted. An ordinary user may attach to namespaces of \
        user namespaces of their own.

        \(names)

        \(addresses)

        EXAMPLES
          ip netns add blue && ringway attach --netns blue
          ringway attach --pid 4711 -p 8080:80 --ready-fd 3 3>ready

        EXIT STATUS
          0  it ended for one of the reasons above
          1  it failed
          2  the command line makes no sense
        """

    static let serve = """
        Guests come by the links that are listened at, get an address, a name and a network, and may go and come \
        back: the same ethernet address finds its lease again. Each has threads and buffers of its own, so that one \
        that dies disturbs no other. When everything is up a line on standard error says what is listened on, and where \
        the control socket is; then who comes and goes, a line each. A network without --name is called default; where \
        that is taken by another serve it is default-2, and the line says so.

        Guests of a network reach each other unless they are isolated. Each is held to its ethernet address, to its \
        IPv4 address, and to the IPv6 addresses that it was the first to use; what claims to come from elsewhere is \
        dropped and counted. Those that SLAAC makes of an ethernet address are its machine's. DHCP, router advertisements \
        and redirects come from the gateway alone.

        LINKS
          qemu:PATH        a unix socket for QEMU's -netdev stream; each
                           connection is a guest
          qemu-dgram:PATH  a unix socket for QEMU's -netdev dgram, one guest
                           at a time
          vpnkit:PATH      a unix socket that speaks VPNKit's protocol
          tap:NAME         a TAP device, made unless it exists; the guest is
                           what has the interface, at its own address,
                           which may be another network namespace
          fd:N[,N...]      an inherited socket, connected or listening, with
                           QEMU's framing, or the queues of a TAP
          unix:PATH        a unix socket that agents connect to
          vsock:PORT       a vsock port that agents connect to, from the
                           machines of ",cid=N", or with --agent-token
          hybrid:PORT:PATH the socket by which Firecracker lets us connect
                           to an agent that waits at a port

        A guest is who its first frame, or its agent, says: right where all guests are one owner's. A link belongs to one \
        machine with ",guest=NAME" behind it, ",mac=ADDRESS" or both: who comes by it has that name, or is turned away \
        with another ethernet address, or one that NAME's lease is not for; and who comes by another link cannot pass for \
        that machine. "link" in a lease says the same of the machine alone. A name that a guest's agent gives it is found by \
        other guests, but means no guest in published ports and forwards without --trust-agent-names.

        A vsock port is open to every machine and to every program of this one (CID 1), which no CID but its own keeps \
        out: ",cid=1" lets programs of this machine in.

        Sockets are the owner's alone (--socket-mode), replace a file without a listener, and are removed at \
        the end. Descriptors of socket activation (LISTEN_FDS) are links too; TCP sockets \
        of the name "publish" are the host's side of ports that are published by the same number.

        NAMES
          NAME.ringway.internal       another guest; NAME is given by its
                                      lease, or is guest-N, N being the host
                                      part of its address
          host.ringway.internal, gateway.ringway.internal
                                      and their aliases as for "ringway run"

        CONFIGURATION FILE
        YAML or JSON. Its keys are the options' names: network, ipv6-prefix, mtu, dns, host-loopback, host, udp-filtering, \
        privileged-source-ports, allow, deny, isolate, shards, busy-poll, reactor, capture, socket-mode, listen, publish, publish-on, limits, \
        agent-token, trust-agent-names, agent-publish, agent-socket, forward, follow-ports; and

          leases    a list of mac with address, name, link or several
          names     domain names, each with an address or one of each family;
                    "*.apps.example" is every name below apps.example
          networks  several networks: the keys above under a name for each

        What it leaves open is as the options say; --listen and --publish add to its first network. Errors name file, \
        line and key, and nothing is started. A key may be there once; anchors and aliases work, tags and "<<" are \
        refused; the file has at most 4 MiB. It is read again on SIGHUP and when it changes: leases, names, links, \
        published ports, allow, deny, host-loopback, host, udp-filtering and further networks take effect at once, without touching \
        connections that exist; of everything else it is said that it needs a restart.

        STATE
        Leases, guests' names, the IPv6 prefix and ports published at run time survive the end, by whatever signal, in \
        the file of --state. What options and configuration file say goes before it. A guest that is not known and uses \
        an address already keeps it if it is free; what a guest sends from an address that is not its own is dropped, \
        which is said with the reason.

        EXAMPLES
          ringway serve --listen qemu:/tmp/vm.sock -p 2222:22
          qemu-system-x86_64 ... -device virtio-net-pci,netdev=n
              -netdev stream,id=n,addr.type=unix,addr.path=/tmp/vm.sock
              A machine whose port 22 is port 2222 of the host.
          ringway serve --config lab.yaml --ready-fd 3 3>ready
              with lab.yaml:
                listen: [qemu:/run/lab/vm.sock, vpnkit:/run/lab/vpn.sock]
                publish: [web=8080:80, 192.168.127.20=5353:53/udp]
                leases:
                  - {mac: "52:54:00:12:34:56", name: web}
                  - {mac: "52:54:00:12:34:57", address: 192.168.127.20}
                names: {db.example: 10.0.0.5}

        SIGNALS
          SIGHUP           the file of --config is read again
          SIGTERM, SIGINT  the end: connections are reset, sockets removed

        EXIT STATUS
          0  it was told to end
          1  it failed
          2  the command line or the file makes no sense
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

        Other names in ringway.internal, and addresses of the guests' networks that are free, are answered with \
        NXDOMAIN. IPv6 addresses of the network are told only to guests that have shown one of their own or asked \
        for a router. All other names are asked of the host's nameservers, or of those of --dns.
        """

    private static let addresses = """
        ADDRESSES
          192.168.127.1    the gateway         (IPv6: the prefix's ::1)
          192.168.127.2    the guest           (IPv6: as SLAAC makes it)
          192.168.127.254  the host            (IPv6: the prefix's ::fe)

        --network and --ipv6-prefix choose other networks. Where this host has or reaches 192.168.127.0/24 itself, the \
        first free one of 192.168.128.0/24 to 192.168.254.0/24 and 10.127.127.0/24 to 10.127.254.0/24 is taken and said; \
        of a network that was named it is said what it hides. Link-local and metadata addresses (169.254.0.0/16) are \
        refused unless allowed.
        """

    /// The table of limits, generated from the code.
    static var limits: String {
        let rows = Limits.table.map { row in
            ["\(row.flag)", row.defaultValue, "\(row.name)\n\(row.atTheBound)\n(\(row.counter))"]
        }
        let lines = TextTable.lines(
            [["OPTION", "DEFAULT", "WHAT IT BOUNDS\nWHAT HAPPENS AT THE BOUND\n(COUNTER)"]] + rows)
        return "LIMITS\n" + lines.map { "  " + $0 }.joined(separator: "\n") + "\n\n" + shares
    }

    private static let shares = """
        SHARES
        Descriptors are the process's (ulimit -n), and its guests share them: each can be sure of an equal part of what a \
        reserve leaves, may have more while it is free, and gives that back, its idlest flows first, when others need it. \
        A guest for whom too few descriptors or too little memory are left is refused. "ringway status" shows how much \
        of each bound is in use.
        """

    /// The help of an option that sets a limit, generated from the same table.
    static func limit(_ flag: String) -> String {
        guard let row = Limits.table.first(where: { $0.flag == flag }) else { return "See the table of limits." }
        return "\(row.name), at the bound \(row.atTheBound). (default: \(row.defaultValue))"
    }
}
