/// The help of the agent's commands.
enum AgentHelp {
    static let commands = ["run", "docker-proxy", "help"]

    static let root = """
        OVERVIEW: Connect a guest to its host's network, by vsock or a unix socket.

        The agent runs inside a virtual machine or a network namespace. On the host "ringway serve" listens for it \
        with --listen vsock:PORT,cid=N, or unix:PATH.

        USAGE: ringway-agent run (--host <host> | --listen <host>) [<options>]
               ringway-agent docker-proxy <options>

        COMMANDS
          run                     Keep an interface and the host's forwards working, until a signal ends it.
          docker-proxy            The Docker engine starts it for each published port; see its own help.
          help [<command>]        Show this help, or a command's.

        OPTIONS
          --version               Show the version of the protocol.
          -h, --help              Show this help.

        EXAMPLES
          ringway-agent run --host vsock:2:1024 --configure
          dockerd --userland-proxy-path=/usr/bin/ringway-agent

        EXIT STATUS
          0  a signal ended it
          1  it failed; one line on standard error says why
          2  the command line is invalid
        """

    static let run = """
        OVERVIEW: Keep an interface and the host's forwards working, until a signal ends it.

        USAGE: ringway-agent run (--host <host> | --listen <host>) [<options>]

        The agent connects to its host, makes a TAP interface whose frames the host carries, and dials servers of the \
        guest for the host's forwards. It needs the right to make interfaces (CAP_NET_ADMIN and /dev/net/tun), or \
        --queues 0. After a restart of either side it connects again.

        HOST
          --host <host>           Connect to the host: vsock:CID:PORT, where CID 2 is the host of a virtual machine, \
        or unix:PATH for a host in another namespace of the same machine.
          --listen <host>         Wait for the host to connect, as behind Firecracker's or cloud-hypervisor's vsock: \
        vsock:CID:PORT or unix:PATH. Connections from other CIDs than CID are refused; the host is CID 2.
          --token-file <file>     Send the first line of this file to the host, which refuses agents without it if \
        it was started with --agent-token.
          --name <name>           The guest's name on the host's network, and in "ringway publish \
        ls". (default: its host name)

        INTERFACE
          --queues <count>        Queues of the interface, 0 to 64, with a connection to the host for each; 0 makes no \
        interface and only dials. (default: 1)
          --ifname <name>         The interface's name. (default: eth0)
          --mac <address>         Its ethernet address. (default: made from /etc/machine-id, the same at every start)
          --mtu <bytes>           Bytes of an IP packet, 1280 to 65520. (default: what the host says)
          --configure             Set addresses, routes and name servers as the host says, without DHCP.
          --resolv-conf <file>    With --configure: where the name servers are written; empty for nowhere. The \
        previous content is restored at the end. (default: /etc/resolv.conf, see NAME SERVERS)

        PROGRAMS OF THE GUEST
          --share <path>=<name>   Make a unix socket in the guest whose connections go to the host's socket of this \
        name, which the host has by --agent-socket. Repeatable.
          --request-socket <path>
                                  The socket by which programs of the guest request ports of the host, as docker-proxy \
        does; empty for none. (default: /run/ringway-agent.sock)

        SANDBOX
          --sandbox <mode>        Whether the agent gives up what it does not need: on, off, or log, where the kernel \
        only logs the system calls that it would refuse. (default: on)

        NAME SERVERS
          Where the agent's network namespace is that of the first process, as in a virtual machine or a container, \
        /etc/resolv.conf is replaced, whole and at once, and put back at the end; after a crash the next agent puts it \
        back. In a network namespace with a mount namespace of its own ("ip netns exec", "unshare --mount") a file is \
        mounted over /etc/resolv.conf there, and nothing is written. Where the file is shared with a machine that has \
        another network it is left alone, and one line says what to do. A file that --resolv-conf names is written \
        wherever it is.

        FILES
          /etc/resolv.conf.ringway-before   the previous file, while the agent runs
          /run/ringway-agent.sock           for docker-proxy

        SIGNALS
          SIGTERM, SIGINT, SIGHUP   end: interface, ports and name servers are removed

        EXAMPLES
          ringway-agent run --host vsock:2:1024 --queues 2 --configure
              In a virtual machine of CID 3 whose host runs "ringway serve --listen vsock:1024,cid=3".
          ip netns exec blue ringway-agent run --host unix:/run/agent.sock --configure
              In a network namespace.
          ringway-agent run --host vsock:2:1024 --queues 0 --share /run/ssh.sock=ssh
              No interface; programs of the guest reach the host's SSH agent.

        EXIT STATUS
          0  a signal ended it
          1  it failed; one line on standard error says why
          2  the command line is invalid
        """

    static let dockerProxy = """
        OVERVIEW: Have the host publish a port of a container, as the Docker engine's userland proxy.

        USAGE: dockerd --userland-proxy-path=<path of ringway-agent>
               ringway-agent docker-proxy -proto <protocol> -host-ip <address> -host-port <port>
                   -container-ip <address> -container-port <port> [-use-listen-fd]

        The engine starts one for each published port and address family. It requests the port of the host from the \
        agent, which must run, reports the result on descriptor 3, and holds the port until SIGTERM or SIGINT. All \
        ports of an agent share its one connection to the host. "ringway publish ls" on the host lists them.

        OPTIONS
          -proto <protocol>       tcp or udp. (default: tcp)
          -host-ip <address>      Where the host is to listen; 0.0.0.0 and :: stand for all addresses of a family.
          -host-port <port>       The host's port; 0 lets the host choose.
          -container-ip <address>, -container-port <port>
                                  The container's server.
          -use-listen-fd          Programs of the guest connect to the socket on descriptor 4.
          -v, -version            Show the version.

        ENVIRONMENT
          RINGWAY_AGENT_SOCKET    what the agent's --request-socket says

        EXIT STATUS
          0  a signal ended it
          1  the port could not be bound; descriptor 3 has the error, in the engine's words
          2  the command line is invalid
        """

    /// A page, with lines wrapped to the width of a terminal.
    static func page(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { wrap($0) }.joined(separator: "\n")
    }

    private static var width: Int { 80 }
    /// The column of an option's description.
    private static var column: Int { 26 }

    /// Wraps a line between words; continuation lines have the line's indentation.
    private static func wrap(_ line: Substring) -> String {
        guard line.utf8.count > width else { return String(line) }
        let indent = line.prefix { $0 == " " }.count
        // An option's description has its own column.
        let isOption = indent == 2 && line.dropFirst(2).hasPrefix("-")
        let margin = String(repeating: " ", count: isOption ? column : indent)
        var lines: [String] = []
        var current = String(line.prefix(isOption ? column : indent))
        var isEmpty = true
        for word in line.dropFirst(current.count).split(separator: " ") {
            if !isEmpty, current.utf8.count + 1 + word.utf8.count > width {
                lines.append(current)
                current = margin + word
            } else {
                current += (isEmpty ? "" : " ") + word
            }
            isEmpty = false
        }
        return (lines + [current]).joined(separator: "\n")
    }
}
