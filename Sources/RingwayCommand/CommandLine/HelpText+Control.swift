/// The help texts of the commands that use the control API of a running network.
extension HelpText {
    static let publish = """
        Ports are published at a running network of run, attach or serve. They stay published until they are removed \
        or the network ends. While their guest is not connected, clients are refused, and no other program gets \
        the port.

        EXAMPLES
          ringway publish add 8080:80
          ringway publish add web=127.0.0.1:8443:443 web=8080:80
          ringway publish add 22
              Choose a free port of the host, and print it.
          ringway publish rm 8080:80
          ringway publish ls
          ringway publish sync --file ports.txt

        \(controlExit)
        """

    static let publishAdd = """
        Prints the number and the ports of each forward. A range is one forward: all its ports are published or none. \
        If another program holds a port, the error names the port.

        EXAMPLES
          ringway publish add 8080:80 5353:53/udp
          ringway publish add 9000-9999:9000-9999
          ringway publish add --owner ci 8080
          ringway publish add 8000-8099:80
              Take the first port from 8000 to 8099 that is free.

        \(controlExit)
        """

    static let publishRemove = """
        The ports are free when the command ends. Connections that came through them go on. A port that a guest's \
        agent has published can be removed only by the agent.

        EXAMPLES
          ringway publish rm 3
          ringway publish rm 127.0.0.1:8080=tcp:127.0.0.1:80
          ringway publish rm 8080:80 web=127.0.0.1:8443:443

        \(controlExit)
        """

    static let publishList = """
        STATE is "active" when the ports' guest is connected, "waiting" while it is not, and "failed" when the ports \
        could not be bound, which is tried again. The last column has the guest that a port waits for, or the error. \
        OWNER is "-" for what the command line and the configuration of \
        "ringway serve" publish, "forward" for --forward, "follow" for --follow-ports, and "agent:NAME" for ports that \
        the agent of a guest publishes, as Docker's proxy does; a range of those is one row.

        EXAMPLES
          ringway publish ls
          ringway publish ls --json

        \(controlExit)
        """

    static let publishSync = """
        Makes the ports of one owner exactly those of the command line or the file: published ones stay with their \
        connections, missing ones are added, and others are removed. A port of the host that was chosen for the \
        same request is kept. If one port cannot be bound, nothing is changed.

        EXAMPLES
          ringway publish sync 8080:80 8443:443
          ringway publish sync --owner compose --file ports.txt
          ringway publish sync --file /dev/null
              Remove all.

        \(controlExit)
        """

    static let list = """
        Commands such as "ringway status --name NAME" find a network by its name: that of --name, else that of the \
        namespace, or run-PID. Only networks of the same user are listed, root's in /run/ringway too; \
        those with another socket by --control are not. Sockets of ended processes are removed.

        EXAMPLES
          ringway ls
          ringway ls --json

        \(controlExit)
        """

    static let status = """
        After the network's configuration comes a list of problems since its start, if there were any: destinations \
        denied by the policy, dropped packets, names that could not be resolved, and bounds that were reached, each \
        with its count, its counter and a remedy. A network that still runs an older version is marked: an upgrade \
        restarts none.

        EXAMPLES
          ringway status
          ringway status --name blue --json

        \(controlExit)
        """

    static let guests = """
        FROM and TO are the bytes of frames from and to the guest since it connected.

        EXAMPLES
          ringway guests
          ringway guests --json

        \(controlExit)
        """

    static let flows = """
        On a terminal the table is renewed each second: "s" sorts by the next column, "r" reverses, "q" ends. \
        Elsewhere it is printed once. FROM is the side that opened the flow, UP is sent by the guest. UDP ports and \
        pings have no counters of their own, and many peers (*).

        EXAMPLES
          ringway flows
          ringway flows --sort idle --guest 2
          ringway flows --json

        \(controlExit)
        """

    static let events = """
        Prints a line for each guest that connects or leaves, each lost link, and each port that is published or \
        removed, from now on. If the reader is too slow, events are lost, and a line has their number.

        EXAMPLES
          ringway events
          ringway events --json --name blue

        \(controlExit)
        """

    static let capture = """
        A network has one capture at a time, of all its guests. A file system that is full or too slow costs frames of \
        the capture, never of the guests: missing frames are counted, and the file stays valid. Connections to \
        published ports that are opened meanwhile use the guest's interface, so that they are in the file.

        EXAMPLES
          ringway capture start --size 100M --files 5 /var/tmp/web.pcapng
          ringway capture start --filter "udp port 53" --snaplen 200 dns.pcapng
          ringway capture stop

        \(controlExit)
        """

    static let captureStart = """
        The process of the network writes the file, with its permissions and as its user.

        EXAMPLES
          ringway capture start talk.pcapng
          ringway capture start --name blue --filter "host 10.0.0.5 and tcp" /tmp/blue.pcapng

        \(controlExit)
        """

    private static let controlExit = """
        EXIT STATUS
          0  done
          1  the request failed; for "events": the network has ended
          2  the command line is invalid
        """
}
