import Foundation
import Testing

extension EndToEnd {
    /// The networks of `run` and `attach` at their control sockets, and how commands select one.
    @Suite("Running networks")
    struct RunningNetworksTests {
        /// A bed in which `/run/ringway` is a directory of the test's own.
        private struct Place {
            let bed: TestBed
            let directory: String

            init(_ bed: TestBed) throws {
                self.bed = bed
                directory = bed.directory + "/run"
                try FileManager.default.createDirectory(
                    atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }

            /// The prefix of a command line that sees only that directory.
            private var launcher: [String] {
                let script =
                    "mkdir -p -m 700 /run/ringway && mount --bind \(directory) /run/ringway && exec \"$@\""
                return ["env", "-u", "XDG_RUNTIME_DIR", "unshare", "-m", "sh", "-c", script, "sh", Machine.ringway]
            }

            func ringway(_ arguments: String...) throws -> Program.Outcome { try bed.run(launcher + arguments) }

            func start(_ arguments: String...) throws -> Program { try bed.start(launcher + arguments) }

            /// Starts a bridge and waits until its control socket exists.
            func start(_ name: String, _ arguments: [String]) throws -> Program {
                let program = try bed.start(launcher + arguments)
                try waitUntil("the socket of \(name), \(program.errors)") {
                    FileManager.default.fileExists(atPath: "\(directory)/\(name).sock")
                }
                return program
            }

            var sockets: [String] {
                ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
            }
        }

        @Test func `an attached namespace is looked at, published and measured like a served network`() throws {
            try TestBed.use { bed in
                let place = try Place(bed)
                let blue = try bed.makeNamespace("blue")
                let attached = try place.start("attach", "--netns", blue)
                try attached.waitForLine("attached to /run/netns/\(blue); control: /run/ringway/\(blue).sock")
                // A single network needs no name.
                #expect(try place.ringway("status").output.contains("\(blue) (attach /run/netns/\(blue))\n"))
                let server = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: blue)
                let added = try place.ringway("publish", "add", "8080:80").requireSuccess()
                #expect(added == "1 8080:80/tcp\n")
                _ = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"]).requireSuccess()
                #expect(try place.ringway("publish", "ls").output.contains("active"))
                #expect(try place.ringway("guests").output.contains("192.168.127.2"))
                #expect(try place.ringway("flows", "--json").output.contains("\"complete\":true"))
                let socket = ["curl", "-sSf", "--unix-socket", "\(place.directory)/\(blue).sock"]
                for target in ["/metrics", "/v1/diagnostics"] {
                    #expect(try bed.run(socket + ["http://localhost\(target)"]).output.contains("forwards"))
                }
                #expect(try place.ringway("publish", "rm", "8080:80").status == 0)
                server.end()
                let events = try place.start("events")
                try waitUntil("events") {
                    _ = try place.ringway("publish", "add", "9999:99")
                    _ = try place.ringway("publish", "rm", "9999:99")
                    return events.output.contains("9999:99/tcp is published")
                }
                attached.send(SIGTERM)
                #expect(try attached.waitForEnd().status == 0)
                #expect(place.sockets.isEmpty)
                #expect(try events.waitForEnd().status == 1)
            }
        }

        @Test func `a command's network is named by its process, without a message`() throws {
            try TestBed.use { bed in
                let place = try Place(bed)
                let run = try place.start("run", "--", "sh", "-c", "echo up; exec sleep 60")
                try run.waitForOutput("up")
                #expect(run.errors.isEmpty)
                let name = "run-\(run.identifier)"
                #expect(place.sockets == ["\(name).sock"])
                let list = try place.ringway("ls", "--json").requireSuccess()
                #expect(list.contains(#""name":"\#(name)","control":"/run/ringway/\#(name).sock","responds":true"#))
                #expect(list.contains(#""kind":"run","target":"sh""#) && list.contains("\"guests\":1"))
                #expect(try place.ringway("guests").output.contains("192.168.127.2"))
                run.send(SIGTERM)
                _ = try run.waitForEnd()
                #expect(place.sockets.isEmpty)
            }
        }

        @Test func `status lists refusals and failures with the options that affect them`() throws {
            try TestBed.use { bed in
                let place = try Place(bed)
                let script = """
                    curl -sm 5 http://169.254.169.254/
                    dig +time=5 +tries=1 +short name.example @192.168.127.1
                    for port in $(seq 1 20); do echo | socat -u - UDP:192.168.127.254:$port; done
                    for number in 1 2; do ping -q -c 1 -W 5 192.168.127.254; done
                    echo done; exec sleep 60
                    """
                let run = try place.start(
                    "run", "--dns", "127.0.0.1:9", "--max-udp-mappings", "16", "--max-ping-mappings", "1", "--", "sh",
                    "-c", script)
                try run.waitForOutput("done")
                var status = ""
                try waitUntil("three troubles in \(status)") {
                    status = try place.ringway("status").output
                    return status.contains("denied") && status.contains("names failed")
                        && status.contains("bounds reached")
                }
                #expect(status.contains("packets to where guests may not go (droppedPolicy); --allow CIDR"))
                #expect(status.contains("queries that no nameserver answered (dns.serverFailures); "))
                #expect(status.contains("(udpMappingsEvicted); --max-udp-mappings raises the bound"))
                #expect(status.contains("(pingMappingsEvicted); --max-ping-mappings raises the bound"))
                let json = try place.ringway("status", "--json").output
                #expect(json.contains(#""kind":"denial","counter":"droppedPolicy","count":"#))
                #expect(json.contains(#""option":"--max-udp-mappings"}"#))
                #expect(json.contains(#""isOld":false"#))
                run.send(SIGTERM)
                _ = try run.waitForEnd()
            }
        }

        @Test func `a network that runs an older version is marked as old`() throws {
            try TestBed.use { bed in
                let place = try Place(bed)
                let daemon = """
                    import socket, sys
                    server = socket.socket(socket.AF_UNIX)
                    server.bind(sys.argv[1])
                    server.listen()
                    print("listening", flush=True)
                    body = b'{"name":"default","version":"0.0.9","pid":1,"uptimeSeconds":5}'
                    while True:
                        client, _ = server.accept()
                        try:
                            if client.recv(65536):
                                client.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
                        except OSError:
                            pass
                        client.close()
                    """
                let old = try bed.start(["python3", "-c", daemon, "\(place.directory)/default.sock"])
                try old.waitForOutput("listening")
                let status = try place.ringway("status")
                #expect(status.status == 0 && status.output.contains("ringway 0.0.9, process 1, which is old: "))
                #expect(try place.ringway("ls").output.contains("0.0.9 (old)"))
            }
        }

        @Test func `a second serve without a name gets another one, and reports it`() throws {
            try TestBed.use { bed in
                let place = try Place(bed)
                let (one, two) = ("qemu:\(bed.directory)/1", "qemu:\(bed.directory)/2")
                let first = try place.start("default", ["serve", "--listen", one])
                try first.waitForLine("listening on \(one); control: /run/ringway/default.sock")
                let second = try place.start("default-2", ["serve", "--listen", two])
                try second.waitForLine(
                    "listening on \(two); named default-2, because default is taken by process \(first.identifier); "
                        + "control: /run/ringway/default-2.sock")
                // Without a name, the network named default is selected.
                #expect(try place.ringway("status").output.contains("process \(first.identifier)"))
                #expect(try place.ringway("status", "--name", "default-2").output.contains("(serve \(two))"))
                for daemon in [first, second] {
                    daemon.send(SIGTERM)
                    #expect(try daemon.waitForEnd().status == 0)
                }
                #expect(place.sockets.isEmpty)
                let none = try place.ringway("status")
                #expect(none.status == 1)
                #expect(none.errors.hasPrefix("ringway: no network is running: start one with "))
            }
        }

        @Test func `no two networks have one name, and what an ended process has left is replaced`() throws {
            try TestBed.use { bed in
                let place = try Place(bed)
                let blue = try bed.makeNamespace("blue")
                let first = try place.start(blue, ["attach", "--netns", blue])
                // Another namespace, by a path with the same last component.
                let path = "\(bed.directory)/\(blue)"
                try FileManager.default.createSymbolicLink(
                    atPath: path, withDestinationPath: "/run/netns/\(try bed.makeNamespace("green"))")
                let second = try place.start("\(blue)-2", ["attach", "--netns", path])
                try second.waitForLine(
                    "attached to \(path); named \(blue)-2, because \(blue) is taken by process \(first.identifier); "
                        + "control: /run/ringway/\(blue)-2.sock")
                let taken = try place.ringway("run", "--name", blue, "--", "true")
                #expect(taken.status == 125)
                #expect(
                    taken.errors
                        == "ringway: the name \(blue) is taken by process \(first.identifier); --name chooses another\n"
                )
                let list = try place.ringway("status")
                #expect(list.status == 2)
                #expect(
                    list.errors
                        == "ringway: several networks are running: \(blue), \(blue)-2; choose one with --name\n")
                first.send(SIGKILL)
                _ = try first.waitForEnd()
                #expect(place.sockets == ["\(blue)-2.sock", "\(blue).sock"])
                let third = try place.start("run", "--name", blue, "--", "sh", "-c", "echo up; exec sleep 60")
                try third.waitForOutput("up")
                #expect(try place.ringway("status", "--name", blue).output.contains("process \(third.identifier)"))
                third.send(SIGKILL)
                _ = try third.waitForEnd()
                // Ended ones are not listed, and their sockets are removed.
                #expect(try !place.ringway("ls").output.contains("\n\(blue) "))
                #expect(place.sockets == ["\(blue)-2.sock"])
            }
        }
    }
}

extension Program {
    /// Waits until the program has printed a line, and requires that it is the first one.
    fileprivate func waitForLine(_ line: String) throws {
        try waitUntil("a line of \(name)") { errors.hasSuffix("\n") }
        #expect(errors.hasPrefix("ringway: \(line)\n"))
    }
}
