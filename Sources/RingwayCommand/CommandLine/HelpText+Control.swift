/// The help of the commands that use the control API of a running network.
extension HelpText {
    static let publish = """
        Ports are published at a network that is running, of run, attach or serve. They stay published \
        until they are removed or the network ends, whether their guest is there or not: while it is away clients \
        are refused, and no other program gets the port.

        EXAMPLES
          ringway publish add 8080:80
          ringway publish add web=127.0.0.1:8443:443 web=8080:80
          ringway publish add 22
              Choose a port of the host that is free, and say which.
          ringway publish rm 8080:80
          ringway publish ls
          ringway publish sync --file ports.txt

        \(controlExit)
        """

    static let publishAdd = """
        Prints the number and the ports of each forward. A range is one forward: all of it is published or nothing. A \
        port that another program holds is an error that names it.

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
        agent has published is the agent's, and ends where it was asked for.

        EXAMPLES
          ringway publish rm 3
          ringway publish rm 127.0.0.1:8080=tcp:127.0.0.1:80
          ringway publish rm 8080:80 web=127.0.0.1:8443:443

        \(controlExit)
        """

    static let publishList = """
        STATE is "active" when the ports lead to their guest, "waiting" while it is away, and "failed" when the \
        ports could not be had, which is tried again. The last column says whom a port waits for, or why it failed. \
        OWNER is "-" for what the command line and the configuration of \
        "ringway serve" publish, "forward" for --forward, "follow" for --follow-ports, and "agent:NAME" for ports that \
        the agent of a guest publishes, as Docker's proxy does; a range of those is one row.

        EXAMPLES
          ringway publish ls
          ringway publish ls --json

        \(controlExit)
        """

    static let publishSync = """
        What is published already stays as it is, connections and all; what is missing is added, what is too much is \
        removed, among the ports of the same owner. A port of the host that was chosen for the same request is kept. \
        When something cannot be had everything is as it was before.

        EXAMPLES
          ringway publish sync 8080:80 8443:443
          ringway publish sync --owner compose --file ports.txt
          ringway publish sync --file /dev/null
              Remove all.

        \(controlExit)
        """

    static let list = """
        A network has a name, by which "ringway status --name NAME" and the like find it: the one of --name, else that \
        of the namespace, or run-PID. Only networks of the same user are listed, root's in /run/ringway too; \
        those whose socket is elsewhere by --control are not. Sockets that ended processes have left are removed.

        EXAMPLES
          ringway ls
          ringway ls --json

        \(controlExit)
        """

    static let status = """
        After what the network is comes what went wrong since it was started, if anything did: what the policy denied, \
        what was dropped, names that could not be resolved, and bounds that were reached, each with its count, its \
        counter and what to do, or where to look. A network that an older version keeps is said to be old: an upgrade \
        restarts none.

        EXAMPLES
          ringway status
          ringway status --name blue --json

        \(controlExit)
        """

    static let guests = """
        FROM and TO are the bytes of frames from and to the guest since it came.

        EXAMPLES
          ringway guests
          ringway guests --json

        \(controlExit)
        """

    static let flows = """
        On a terminal the table is renewed each second: "s" sorts by something else, "r" reverses, "q" ends. \
        Elsewhere it is printed once. FROM is the side that began, UP is what the guest sends. UDP ports and pings have no \
        counters of their own, and many peers (*).

        EXAMPLES
          ringway flows
          ringway flows --sort idle --guest 2
          ringway flows --json

        \(controlExit)
        """

    static let events = """
        Guests that come and go, links that are lost, ports that are published and removed: a line each, from now \
        on. A reader that is too slow loses events, and is told how many.

        EXAMPLES
          ringway events
          ringway events --json --name blue

        \(controlExit)
        """

    static let capture = """
        A network has one capture at a time, of all its guests. A file system that is full or too slow costs frames of \
        the capture, never of the guests: those that are missing are counted, and the file stays whole. Connections to \
        published ports that are opened meanwhile go through the guest's interface, so that they are in the file.

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
          1  it could not be done; for "events": the network has ended
          2  the command line makes no sense
        """
}
