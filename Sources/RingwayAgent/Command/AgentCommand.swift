internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol

/// The command line of the agent.
public enum AgentCommand {
    /// The exit statuses that are a contract with scripts.
    enum ExitStatus {
        static let failure: Int32 = 1
        static let usage: Int32 = 2
    }

    /// Runs what the arguments say and ends the process.
    public static func run(_ arguments: [String]) -> Never {
        let program = arguments.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        let words = Array(arguments.dropFirst())
        // Docker's engine starts its proxy with options only, all of one dash.
        if program == "docker-proxy" || words.first == "-proto" || words.first?.hasPrefix("-proto=") == true {
            DockerProxy.run(words)
        }
        switch words.first {
        case "run": runAgent(Array(words.dropFirst()))
        case "docker-proxy": DockerProxy.run(Array(words.dropFirst()))
        case "--version":
            print("ringway-agent, protocol \(AgentProtocol.version)")
            exit(0)
        case "--help", "-h", "help":
            print(help)
            exit(0)
        default: fail("say what to do: \"ringway-agent --help\" tells what there is", status: ExitStatus.usage)
        }
    }

    private static func runAgent(_ words: [String]) -> Never {
        do {
            let options = try AgentOptions(words)
            try Agent(options).run()
        } catch let failure as UsageFailure {
            fail(failure.description, status: ExitStatus.usage)
        } catch {
            fail("\(error)", status: ExitStatus.failure)
        }
        exit(0)
    }

    /// Says why in one line, and ends.
    static func fail(_ reason: String, status: Int32) -> Never {
        say(reason)
        exit(status)
    }

    /// One line on standard error.
    static func say(_ line: String) {
        let octets = Array("ringway-agent: \(line)\n".utf8)
        _ = write(2, octets, octets.count)
    }

    private static let help = """
        usage: ringway-agent run (--host HOST | --listen HOST) [option]...
               ringway-agent docker-proxy -proto tcp -host-ip IP -host-port N -container-ip IP -container-port N

        Runs inside a guest and gives it a network by way of its host, which runs "ringway serve".

          --host vsock:CID:PORT     connect to the host; it has CID 2
          --host unix:PATH          connect to a host in another namespace of the same machine
          --listen vsock:CID:PORT   wait for the host to connect, as behind Firecracker's or cloud-hypervisor's vsock
          --token-file FILE         what shows that the agent may be here
          --queues N                queues of the interface, one conversation each (1); 0 for no interface
          --ifname NAME             the interface (eth0)
          --mac ADDRESS             its address (made from /etc/machine-id)
          --mtu N                   octets of an IP packet (what the host says)
          --configure               set addresses, routes and name servers as the host says, without DHCP
          --resolv-conf FILE        where name servers are written (/etc/resolv.conf); empty for nowhere
          --name NAME               what the guest is called (its host name)
          --share PATH=NAME         a unix socket in the guest that leads to the host's socket NAME; repeatable
          --request-socket PATH     where programs ask for ports of the host (/run/ringway-agent.sock); empty for nowhere

        As "docker-proxy" it is what the Docker engine's --userland-proxy-path names: it has the host publish the port.
        """
}
