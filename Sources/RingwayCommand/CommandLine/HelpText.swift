internal import Ringway

/// The help texts of the commands, without those of their options.
enum HelpText {
    static let root = """
        Ringway is a user-mode network stack: it reads ethernet frames of network namespaces and virtual machines, \
        terminates TCP, UDP and ICMP, and relays the data through ordinary host sockets. It changes no \
        configuration of the host, and needs no root where user namespaces are allowed.

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
          2  the command line is invalid
          125, 126, 127  see "ringway run --help"

        \(limits)
        """

    static let run = """
        COMMAND runs in new network and mount namespaces. It finds one interface with an IPv4 and an IPv6 address, \
        default routes, and an /etc/resolv.conf that names the gateway, also when the host's file changes. Standard \
        input and output, the terminal and the working directory are the caller's. An ordinary user is root in the \
        namespaces, and only there; /etc is read-only then, and its entries are links to the host's.

        Signals sent to ringway are passed on to COMMAND. COMMAND never outlives ringway.

        Meanwhile "ringway status", "publish", "flows" and others find the network by its name, run-PID unless --name \
        is given; "ringway ls" shows it.

        \(names)

        \(addresses)

        EXAMPLES
          ringway run -- curl http://host.ringway.internal:8080/
              Fetch from a server on the host's loopback.
          ringway run -p 8080:80 -p 127.0.0.1:5353:53/udp -- ./server
              Publish TCP port 80 everywhere, and UDP port 53 on the loopback alone.
          ringway run -p 80 -p 9000-9099:9000-9099 bash
              A shell whose ports 9000 to 9099 are published, and port 80 on a free port, which is reported.
          ringway run --no-host-loopback --deny 10.0.0.0/8 -- make test
              Deny the tests the host's services and the internal network.
          ringway run --capture talk.pcapng -- dig example.org
              Read the packets afterwards: tcpdump -r talk.pcapng

        EXIT STATUS
          COMMAND's own, or 128 + N when signal N ended it, and
          2    the command line is invalid
          125  ringway itself failed
          126  COMMAND cannot be executed
          127  COMMAND was not found
        """

    static let attach = """
        An interface is made in the namespace, with an IPv4 and an IPv6 address and default routes; a namespace \
        that already has a default route is refused, unless --no-default-route keeps that route. The gateway \
        answers DNS, DHCP and router solicitations of programs in the namespace.

        With --pid, the /etc/resolv.conf that the process sees names the gateway until the end, if it has a mount \
        namespace of its own: by a mount there, no file is written. With --netns, programs in the namespace see the \
        machine's file, or that of "ip netns", which --write-netns-resolv writes. A line on standard error says \
        which of these applies.

        Connections from the host's loopback to published ports bypass the interface. For that the namespace gets \
        a routing rule for marked packets, a routing table, and sysctls by which connections inherit marks, from the \
        first such client until the end, and only if it has no rules for marks yet.

        When the network is up, a line on standard error says so, with the path of its control socket. "ringway \
        status", "publish", "flows" and others find it by its name: that of --name, else of the namespace.

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
          2  the command line is invalid
        """

    static let serve = """
        Guests connect by the links of --listen and get an address and a name. A guest that connects again with the \
        same ethernet address gets the same lease. Each guest has its own threads and buffers, so that the failure of \
        one does not affect others. When the network is up, a line on standard error names its links and its control \
        socket; then there is a line for each guest that connects or leaves. A network without --name is called \
        default, or default-2 if another serve has that name, as the line says.

        Guests of a network reach each other unless they are isolated. A guest may send from its ethernet address, its \
        IPv4 address, and the IPv6 addresses that it was the first to use; frames with another source are dropped \
        and counted. An IPv6 address that SLAAC makes from an ethernet address belongs to the guest with that \
        ethernet address. Only the gateway may send DHCP replies, router advertisements and redirects.

        LINKS
          qemu:PATH        a unix socket for QEMU's -netdev stream; each
                           connection is a guest
          qemu-dgram:PATH  a unix socket for QEMU's -netdev dgram, one guest
                           at a time
          vpnkit:PATH      a unix socket with VPNKit's protocol
          tap:NAME         a TAP device, made unless it exists; the guest is
                           the holder of the interface, which may be in
                           another network namespace
          fd:N[,N...]      an inherited socket, connected or listening, with
                           QEMU's framing, or the queues of a TAP
          unix:PATH        a unix socket that agents connect to
          vsock:PORT       a vsock port that agents connect to, from the
                           machines of ",cid=N", or with --agent-token
          hybrid:PORT:PATH the socket by which Firecracker connects us to
                           an agent that listens on a port

        A guest is identified by its first frame, or by its agent, which suffices if all guests have one owner. To \
        bind a link to one machine, append ",guest=NAME", ",mac=ADDRESS" or both: a guest on this link has that name \
        and is refused with another ethernet address, or one that NAME's lease is not for; a guest on another link \
        cannot take that machine's name or address. "link" in a lease does the same for one machine. Other guests can \
        resolve a name that a guest's agent gives it, but published ports and forwards use it only with \
        --trust-agent-names.

        A vsock port is open to every machine and to every program of the host (CID 1). With ",cid=N" only machine N \
        may connect; ",cid=1" admits programs of the host.

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
        YAML or JSON. Its keys are the options' names: network, ipv6-prefix, mtu, dns, host-loopback, host, \
        udp-filtering, privileged-source-ports, allow, deny, isolate, shards, busy-poll, reactor, capture, \
        socket-mode, listen, publish, publish-on, limits, agent-token, trust-agent-names, agent-publish, agent-socket, \
        forward, follow-ports; and

          leases    a list of mac with address, name, link or several
          names     domain names, each with an address or one of each family;
                    "*.apps.example" is every name below apps.example
          networks  several networks: the keys above under a name for each

        Options apply to keys that the file does not have; --listen and --publish add to its first network. Errors \
        name file, line and key, and nothing is started. A key may occur once; anchors and aliases work, tags and "<<" \
        are refused; the file has at most 4 MiB. It is read again on SIGHUP and when it changes: leases, names, links, \
        published ports, allow, deny, host-loopback, host, udp-filtering and further networks take effect at once, \
        without touching connections that exist; other changes need a restart, which is reported.

        STATE
        Leases, guests' names, the IPv6 prefix and ports published at run time are kept in the file of --state when \
        the network ends. Options and the configuration file have precedence over it. An unknown guest that uses an \
        address already keeps it if it is free; frames from an address that is not the guest's are dropped, which is \
        reported with the reason.

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
          SIGTERM, SIGINT  end: connections are reset, sockets are removed

        EXIT STATUS
          0  a signal ended it
          1  it failed
          2  the command line or the file is invalid
        """

    static let doctor = """
        Each line says whether a feature is present, the cost of its absence and the remedy. Nothing is changed: \
        features are tried in namespaces that end with the command.

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
        NXDOMAIN. AAAA records of the network are returned only to guests that have used an IPv6 address or sent a \
        router solicitation. Queries for other names go to the host's name servers, or to those of --dns.
        """

    private static let addresses = """
        ADDRESSES
          192.168.127.1    the gateway         (IPv6: the prefix's ::1)
          192.168.127.2    the guest           (IPv6: as SLAAC makes it)
          192.168.127.254  the host            (IPv6: the prefix's ::fe)

        --network and --ipv6-prefix choose other networks. If the host has an address in 192.168.127.0/24 or a route \
        to it, the first free one of 192.168.128.0/24 to 192.168.254.0/24 and 10.127.127.0/24 to 10.127.254.0/24 is \
        used and reported; for a network of --network, routes that it hides are reported. Link-local and metadata \
        addresses (169.254.0.0/16) are refused unless allowed.
        """

    /// The table of limits in the help, generated from `Limits.table`.
    static var limits: String {
        let rows = Limits.table.map { row in
            ["\(row.flag)", row.defaultValue, "\(row.name)\n\(row.atTheBound)\n(\(row.counter))"]
        }
        let lines = TextTable.lines(
            [["OPTION", "DEFAULT", "LIMIT\nEFFECT WHEN REACHED\n(COUNTER)"]] + rows)
        return "LIMITS\n" + lines.map { "  " + $0 }.joined(separator: "\n") + "\n\n" + shares
    }

    private static let shares = """
        SHARES
        The guests of a process share its descriptors (ulimit -n), less a reserve: each is guaranteed an equal part, \
        may use more while they are free, and loses the excess, its idlest flows first, when others need it. A guest \
        for which too few descriptors or too little memory is left is refused. "ringway status" shows how much \
        of each bound is in use.
        """

    /// The help of an option that sets a limit, generated from `Limits.table`.
    static func limit(_ flag: String) -> String {
        guard let row = Limits.table.first(where: { $0.flag == flag }) else { return "See the table of limits." }
        return "\(row.name), at the bound \(row.atTheBound). (default: \(row.defaultValue))"
    }
}
