import Foundation
import Testing

extension EndToEnd {
    /// Faults by which similar programs let guests, or others, reach what they must not. Each test names its fault.
    @Suite("What other programs let others reach")
    struct PeerFaultTests {
        private static let talk = Machine.program("talk.py")

        // MARK: Ports of the host and of the gateway

        /// CVE-2021-4024 (podman machine): the API for forwards listened on all addresses of the host.
        @Test func `the host has no open port but published ones, and its sockets are their owner's alone`() throws {
            try TestBed.use { bed in
                let (link, agents, control) = ("\(bed.directory)/q", "\(bed.directory)/a", "\(bed.directory)/c")
                let service = try Service(
                    bed,
                    ["--listen", "qemu:\(link)", "--listen", "unix:\(agents)", "--control", control, "-p", "8080:80"])
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("qemu:\(link)", "52:54:00:00:09:01")
                try machine.configure()
                #expect(try machine.reaches("192.168.127.1"))
                try bed.waitForListener(at: 8080)
                for line in try bed.run(["ss", "-Htuln"]).requireSuccess().split(separator: "\n") {
                    let words = line.split(separator: " ")
                    #expect(words.count > 4 && words[0] == "tcp" && words[4].hasSuffix(":8080"), "\(line)")
                }
                for path in [link, agents, control] {
                    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                    #expect(mode == 0o600, "\(path)")
                }
                #expect(try service.end().status == 0)
            }
        }

        /// Prints each port of the addresses that does not refuse: TCP, and of the first address UDP.
        private static let scan = """
            import socket, sys
            known = [2375, 2376, 2377, 3128, 4243, 5000, 6443, 7777, 8000, 8080, 8443, 9000, 9090, 10250, 15000, 65535]
            def attempt(name, address, port, action):
                try:
                    action()
                    print(name, address, port)
                except ConnectionRefusedError:
                    pass
                except OSError as error:
                    print(name, address, port, type(error).__name__)
            def ask(address, port):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                client.settimeout(3)
                client.connect((address, port))
                client.send(b"x")
                client.recv(1)
            for address in sys.argv[1:]:
                for port in list(range(1, 1025)) + known:
                    attempt("tcp", address, port, lambda: socket.create_connection((address, port), 3).close())
            for port in [69, 123, 161, 547, 1900, 2375, 5353, 7777]:
                attempt("udp", sys.argv[1], port, lambda: ask(sys.argv[1], port))
            """

        /// CVE-2025-9074 (Docker Desktop): every container could use the engine's API at an address of its network.
        /// gvisor-tap-vsock's API for forwards is on the gateway, for every guest.
        @Test func `guests find names at the gateway, and no API, there nor at the host`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["--control", "\(bed.directory)/control"])
                let addresses = [
                    Family.ipv4.gateway, Family.ipv4.host, Family.ipv6.gateway, Family.ipv6.host,
                ]
                let found = try guest.run(["python3", "-c", Self.scan] + addresses).requireSuccess()
                #expect(found == "tcp \(Family.ipv4.gateway) 53\ntcp \(Family.ipv6.gateway) 53\n")
            }
        }

        /// libkrun's TSI shared a port among machines by SO_REUSEPORT, so that each got some of the other's clients.
        @Test func `a port that one guest has is refused to another, and all clients stay the first one's`() throws {
            try TestBed.use { bed in
                let first = try Guest(bed, shards: 2, ["-p", "8080:80"])
                _ = try first.serve(Machine.flows, ["serve", "80"])
                let second = try bed.ringway(["run", "--shards", "2", "-p", "8080:80", "--", "true"])
                #expect(second.status == 125)
                #expect(second.errors.contains("the port is in use"), "\(second.errors)")
                let report = try bed.run(["python3", Machine.flows, "cycle", "127.0.0.1", "8080", "20"])
                #expect(report.status == 0, "\(report.output)")
            }
        }

        // MARK: Loopbacks and unix sockets

        /// Prints who connects to port 80 of one address.
        private static let listener = """
            import socket, sys
            family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
            server = socket.create_server((sys.argv[1], 80), family=family)
            print("listening", flush=True)
            while True:
                peer, address = server.accept()
                print("from", address[0], flush=True)
                peer.close()
            """

        /// podman#24045 (pasta): a published port led to a server that listens on the guest's loopback alone.
        @Test(
            "a published port does not lead to what listens on the guest's loopback alone",
            arguments: [[], ["--no-splice"]], Family.allCases)
        func keepsLoopback(options: [String], family: Family) throws {
            try TestBed.use { bed in
                let loopback = family == .ipv4 ? "127.0.0.1" : "[::1]"
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80", "-p", "\(loopback):8081:80"] + options)
                let server = try guest.start(["python3", "-c", Self.listener, family.loopback])
                try server.waitForOutput("listening")
                for port in ["8080", "8081"] {
                    let client = try bed.run(["python3", Self.talk, "call", family.loopback, port, "read-all"])
                    #expect(client.output.contains("ECONNRESET"), "\(port): \(client.output)")
                }
                #expect(server.output == "listening\n")
                let own = try guest.run(["python3", Self.talk, "call", family.loopback, "80", "read-all"])
                #expect(own.output.hasPrefix("connected\n"), "\(own.output)")
            }
        }

        /// CVE-2020-15257 (containerd), CVE-2024-27297 and CVE-2025-46416 (Nix, Guix): abstract sockets belong to a
        /// network namespace, which was the host's.
        @Test func `a guest reaches no abstract socket of the host, and sees none`() throws {
            try TestBed.use { bed in
                let name = "\(TestBed.name)-abstract"
                _ = try bed.start(["socat", "ABSTRACT-LISTEN:\(name),fork", "SYSTEM:cat"])
                try waitUntil("the host's server") {
                    try bed.run(["ss", "-Hxl"]).requireSuccess().contains("@\(name)")
                }
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                let connect = ["socat", "-u", "/dev/null", "ABSTRACT-CONNECT:\(name)"]
                #expect(try bed.run(connect).status == 0)
                #expect(try guest.run(connect).status != 0)
                #expect(try !guest.run(["ss", "-Hxl"]).requireSuccess().contains("@"))
                // Nor does Ringway have any itself.
                let lines = try bed.run(["ss", "-Hxl"]).requireSuccess().split(separator: "\n")
                #expect(lines.count { $0.contains("@") } == 1, "\(lines)")
            }
        }

        /// CVE-2020-7211 (libslirp): a path of the guest's led out of the directory that was served.
        @Test func `an agent's name of a socket of the host is looked up, and never a path`() throws {
            try TestBed.use { bed in
                let server = "\(bed.directory)/server.sock"
                _ = try bed.start(["socat", "UNIX-LISTEN:\(server),fork", "SYSTEM:cat"])
                try waitUntil("the host's server") { FileManager.default.fileExists(atPath: server) }
                let names = ["echo", server, "../server.sock", "./echo", "echo/"]
                let shares = names.indices.map { "\(bed.directory)/asked\($0)" }
                let pair = try AgentPair(
                    bed, ["--agent-socket", "echo=\(server)"],
                    agentOptions: zip(shares, names).flatMap { ["--share", "\($0)=\($1)"] })
                for (share, name) in zip(shares, names) {
                    try waitUntil("the guest's socket") { FileManager.default.fileExists(atPath: share) }
                    let answer = try pair.run(["sh", "-c", "echo here | socat -t 5 - UNIX-CONNECT:\(share)"])
                    #expect(answer.output == (name == "echo" ? "here\n" : ""), "\(name)")
                }
            }
        }

        // MARK: Failures

        /// Sends frames of noise behind lengths, then a length that no frame has; prints "closed" when the link is.
        private static let noise = """
            import random, socket, struct, sys
            link = socket.socket(socket.AF_UNIX)
            link.connect(sys.argv[1])
            random.seed(1)
            try:
                for kind in [0x0800, 0x0806, 0x86DD, 0x88F8] * 200:
                    body = random.randbytes(random.randrange(120))
                    frame = b"\\xff" * 6 + bytes.fromhex("525400000a09") + struct.pack(">H", kind) + body
                    link.sendall(struct.pack(">I", len(frame)) + frame)
                link.sendall(bytes(4))
                while link.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
            print("closed", flush=True)
            """

        /// pasta ended, and all its flows with it, when an assertion about one of them failed.
        @Test func `a guest that sends what no guest sends loses its own link alone`() throws {
            try TestBed.use { bed in
                let link = "\(bed.directory)/q"
                let service = try Service(bed, ["--listen", "qemu:\(link)"])
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("qemu:\(link)", "52:54:00:00:09:01")
                try machine.configure()
                _ = try bed.serve(Self.talk, ["listen", "7000", "read:8", "send:8", "close"])
                let go = bed.directory + "/go"
                let client = try machine.start([
                    "python3", Self.talk, "call", "192.168.127.254", "7000", "await:\(go)", "send:8", "read:8",
                ])
                try client.waitForOutput("connected")
                let intruder = try bed.run(["python3", "-c", Self.noise, link], within: .seconds(10))
                #expect(intruder.output == "closed\n", "\(intruder.errors)")
                _ = try bed.runAnywhere(["touch", go]).requireSuccess()
                #expect(try client.waitForEnd().output.hasPrefix("connected\nread 8 "))
                #expect(try service.end().status == 0)
            }
        }

        /// Prints the seconds of processor time that a process takes in two seconds.
        private static let meter = """
            import os, sys, time
            def spent():
                fields = open(f"/proc/{sys.argv[1]}/stat").read().rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            before = spent()
            time.sleep(2)
            print(spent() - before)
            """

        /// The share of a processor that the bridge takes.
        private static func load(_ bed: TestBed, _ guest: Guest) throws -> Double {
            let text = try bed.run(["python3", "-c", meter, "\(guest.bridge.identifier)"]).requireSuccess()
            let seconds = try #require(Double(text.filter { !$0.isWhitespace }), "\(text)")
            return seconds / 2
        }

        /// Opens connections, keeps those that it gets, and prints "opened".
        private static let holder = """
            import signal, socket, sys
            held = []
            for _ in range(int(sys.argv[3])):
                held.append(socket.socket())
                held[-1].setblocking(False)
                held[-1].connect_ex((sys.argv[1], int(sys.argv[2])))
            print("opened", flush=True)
            signal.pause()
            """

        /// passt used a whole processor where accept(2) failed with EMFILE.
        @Test func `without a descriptor left there is no busy loop`() throws {
            try TestBed.use { bed in
                let guest = try Guest(
                    bed, shards: 1, ["-p", "8080:80", "--no-splice"], launcher: ["prlimit", "--nofile=100:100"])
                _ = try guest.serve(Machine.flows, ["serve", "80"])
                // Clients beyond the limit are reset, and do not try again.
                let clients = try bed.start(["python3", "-c", Self.holder, "127.0.0.1", "8080", "200"])
                try clients.waitForOutput("opened")
                try waitUntil("the last descriptor") {
                    let counters = try guest.renewedStatistics()
                    return counters["descriptorsExhausted", default: 0] + counters["flowsGivenBack", default: 0] > 0
                }
                #expect(try Self.load(bed, guest) < 0.05)
                clients.send(SIGKILL)
                #expect(guest.bridge.isRunning)
            }
        }

        /// gvproxy used a whole processor where writes to its link failed with ENOBUFS.
        @Test func `while the guest's interface is down there is no busy loop, and afterwards all is well`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80", "--no-splice"])
                _ = try guest.run(["ip", "link", "set", "eth0", "down"]).requireSuccess()
                let clients = try bed.start(["python3", "-c", Self.holder, "127.0.0.1", "8080", "50"])
                try clients.waitForOutput("opened")
                #expect(try Self.load(bed, guest) < 0.05)
                #expect(try guest.renewedStatistics()["linkWritesFailed", default: 0] > 0)
                clients.send(SIGKILL)
                _ = try guest.run(["ip", "link", "set", "eth0", "up"]).requireSuccess()
                #expect(try guest.run(["ping", "-c", "1", "-w", "5", Family.ipv4.gateway]).status == 0)
                #expect(guest.bridge.isRunning)
            }
        }
    }
}
