import Foundation
import Testing

extension EndToEnd {
    /// An existing namespace, while a network is attached to it and afterwards.
    @Suite("ringway attach")
    struct AttachedNamespaceTests {
        @Test(
            "splices clients of the host's loopback, and leaves the namespace as it was", arguments: shards,
            Family.allCases)
        func splices(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                let before = try state(bed, namespace)
                let attached = try Attached(
                    bed, ["--netns", "/run/netns/\(namespace)", "--shards", "\(shards)", "-p", "8080:80"])
                let idle = try state(bed, namespace)
                #expect(idle.rules == before.rules && idle.marks == before.marks, "nothing before the first client")
                _ = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: namespace)
                for _ in 0..<2 {
                    let report = try bed.run(["python3", Machine.flows, "greet", family.loopback, "8080"])
                    #expect(report.output.contains("\"clients\": {\"\(family.host)\": 1}"), "\(report.output)")
                }
                try attached.waitForCounters("two spliced connections") {
                    $0["splicedOpened", default: 0] + $0["splicedTimedOut", default: 0] >= 1
                }
                #expect(try attached.end().status == 0)
                let after = try state(bed, namespace)
                #expect(after.rules == before.rules && after.marks == before.marks, "\(after) was \(before)")
                #expect(after.local == before.local)
            }
        }

        @Test func `takes the interface where the namespace's rules have marks of their own`() throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                try bed.configure(namespace, ["rule", "add", "fwmark", "0x40", "lookup", "77"])
                let before = try state(bed, namespace)
                let attached = try Attached(bed, ["--netns", "/run/netns/\(namespace)", "-p", "8080:80"])
                _ = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: namespace)
                for _ in 0..<2 {
                    let report = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"])
                    #expect(report.output.contains("\"clients\": {\"\(Family.ipv4.host)\": 1}"), "\(report.output)")
                }
                try attached.waitForCounters("connections by the interface") { $0["tcpOpenedByHost"] == 2 }
                let during = try state(bed, namespace)
                #expect(during.rules == before.rules && during.marks == before.marks)
                _ = try attached.end()
            }
        }

        @Test func `takes everything back when it is killed`() throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                let before = try state(bed, namespace)
                let attached = try Attached(bed, ["--netns", "/run/netns/\(namespace)", "-p", "8080:80"])
                _ = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: namespace)
                _ = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"]).requireSuccess()
                attached.program.send(SIGKILL)
                _ = try attached.program.waitForEnd()
                try waitUntil("the rules of before") {
                    let after = try state(bed, namespace)
                    return after.rules == before.rules && after.marks == before.marks
                }
            }
        }

        @Test func `shows a process the gateway's name server, and its own file again at the end`() throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                let room = try Room(bed, in: namespace, "--propagation private")
                try room.run("printf 'nameserver 127.0.0.53\\nsearch example.test\\n' >/etc/resolv.conf")
                let attached = try Attached(bed, ["--pid", "\(room.process)"])
                let own =
                    "# Made by ringway for this network namespace.\nnameserver 192.168.127.1\nsearch example.test\n"
                #expect(try room.run("cat /etc/resolv.conf").output == own)
                #expect(try room.run("getent ahostsv4 host.ringway.internal").output.hasPrefix("192.168.127.254 "))
                // The machine's own file is unchanged.
                #expect(try bed.run(["cat", "/etc/resolv.conf"]).output != own)
                try room.run("echo nameserver 127.0.0.54 >/etc/x; umount /etc/resolv.conf; mv /etc/x /etc/resolv.conf")
                try waitUntil("the gateway's name server") { try room.run("cat /etc/resolv.conf").output == own }
                #expect(try attached.end().status == 0)
                #expect(try room.run("cat /etc/resolv.conf").output == "nameserver 127.0.0.54\n")
                #expect(try room.run("cat /proc/self/mountinfo").output.contains("resolv.conf") == false)
            }
        }

        @Test(
            "leaves the files alone of a process whose mounts are not its own",
            arguments: ["shared with this one", "the same"])
        func leavesSharedMounts(_ kind: String) throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                // The bridge runs in a mount namespace with shared mounts, and the process in one created from it.
                let room = try Room(bed, in: bed.host, "--propagation shared")
                let entry = kind == "the same" ? [] : ["unshare", "--mount", "--propagation", "unchanged"]
                let process = try bed.startAnywhere(
                    ["nsenter", "-t", "\(room.process)", "-m", "nsenter", "--net=/run/netns/\(namespace)"] + entry + [
                        "sleep", "60",
                    ])
                try waitUntil("the process") {
                    FileManager.default.contents(atPath: "/proc/\(process.identifier)/comm") == Data("sleep\n".utf8)
                }
                let before = try room.run("cat /etc/resolv.conf; cat /proc/self/mountinfo").output
                let attached = try Attached(bed, ["--pid", "\(process.identifier)"], launcher: room.enter)
                try attached.waitForLine("names: ")
                #expect(attached.program.errors.contains("nameserver 192.168.127.1"), "\(attached.program.errors)")
                #expect(try room.run("cat /etc/resolv.conf; cat /proc/self/mountinfo").output == before)
                _ = try attached.end()
                process.end()
            }
        }

        @Test(
            "writes the file of \"ip netns\" when it is told to, and puts back what was there",
            arguments: [false, true])
        func writesNetnsFile(wasThere: Bool) throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                let room = try Room(bed, in: bed.host, "--propagation private")
                let path = "/etc/netns/\(namespace)/resolv.conf"
                if wasThere {
                    try room.run("mkdir -p /etc/netns/\(namespace); echo nameserver 192.0.2.1 >\(path)")
                }
                let before = try room.run("find /etc/netns; cat \(path)")
                let silent = try Attached(bed, ["--netns", "/run/netns/\(namespace)"], launcher: room.enter)
                try silent.waitForLine("--write-netns-resolv")
                _ = try silent.end()
                #expect(
                    try room.run("find /etc/netns; cat \(path)").output == before.output, "nothing is written unasked")

                let attached = try Attached(
                    bed, ["--netns", "/run/netns/\(namespace)", "--write-netns-resolv"], launcher: room.enter)
                try attached.waitForLine("names: \(path) names 192.168.127.1")
                #expect(attached.program.errors.contains("was made") != wasThere)
                #expect(try room.run("cat \(path)").output.contains("nameserver 192.168.127.1\n"))
                #expect(try attached.end().status == 0)
                let after = try room.run("find /etc/netns; cat \(path)")
                #expect(after.output == before.output, "\(after.errors)")
            }
        }

        @Test func `keeps the file of before when it is killed, and puts it back the next time`() throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                let room = try Room(bed, in: bed.host, "--propagation private")
                let path = "/etc/netns/\(namespace)/resolv.conf"
                try room.run("mkdir -p /etc/netns/\(namespace); echo nameserver 192.0.2.1 >\(path)")
                let options = ["--netns", "/run/netns/\(namespace)", "--write-netns-resolv"]
                let first = try Attached(bed, options, launcher: room.enter)
                first.program.send(SIGKILL)
                _ = try first.program.waitForEnd()
                try waitUntil("the interface's end") {
                    try !bed.runAnywhere(["ip", "-n", namespace, "link"]).output.contains("eth0")
                }
                _ = try Attached(bed, options, launcher: room.enter).end()
                #expect(try room.run("cat \(path)").output == "nameserver 192.0.2.1\n")
                #expect(try room.run("find /etc/netns -name '.*'").output.isEmpty)
            }
        }

        struct Obstacle: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let preparation: [[String]]
            let line: String
            let remedy: [String]
        }

        static let obstacles = [
            Obstacle(
                testDescription: "a default route",
                preparation: [
                    ["link", "add", "up0", "type", "veth", "peer", "name", "up1"], ["link", "set", "up0", "up"],
                    ["addr", "add", "10.9.0.2/24", "dev", "up0"],
                    ["route", "add", "default", "via", "10.9.0.1"],
                ],
                line: "it has a default route already, through 10.9.0.1 by up0: remove that, or leave it in force with "
                    + "--no-default-route\n", remedy: ["--no-default-route"]),
            Obstacle(
                testDescription: "an interface of that name",
                preparation: [["link", "add", "eth0", "type", "veth", "peer", "name", "up1"]],
                line: "it has an interface eth0 already: --ifname chooses another name\n", remedy: ["--ifname", "eth1"]),
            Obstacle(
                testDescription: "an address of the network",
                preparation: [
                    ["link", "add", "up0", "type", "veth", "peer", "name", "up1"],
                    ["addr", "add", "192.168.127.7/24", "dev", "up0"],
                ],
                line: "its interface up0 has the address 192.168.127.7, and so the network 192.168.127.0/24: --network "
                    + "chooses another\n", remedy: ["--network", "10.44.0.0/24"]),
        ]

        @Test("reports the obstacle and a remedy that works", arguments: obstacles)
        func saysWhatIsInTheWay(obstacle: Obstacle) throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                for arguments in obstacle.preparation { try bed.configure(namespace, arguments) }
                let options = ["--netns", "/run/netns/\(namespace)"]
                let refused = try bed.ringway(["attach"] + options)
                #expect(refused.status == 1)
                #expect(refused.errors == "ringway: cannot attach to /run/netns/\(namespace): \(obstacle.line)")
                let attached = try Attached(bed, options + obstacle.remedy)
                let gateway = obstacle.remedy.contains("--network") ? "10.44.0.1" : "192.168.127.1"
                #expect(try bed.run(["ping", "-c1", "-w5", gateway], in: namespace).status == 0)
                _ = try attached.end()
            }
        }

        @Test func `serve splices for a tap whose interface was moved to another namespace`() throws {
            try TestBed.use { bed in
                let namespace = try bed.makeNamespace("guest")
                let service = try Service(bed, ["--listen", "tap:w3tap", "-p", "8080:80"])
                let before = try state(bed, namespace)
                try bed.configure(bed.host, ["link", "set", "w3tap", "netns", namespace])
                try bed.configure(namespace, ["addr", "add", "192.168.127.2/24", "dev", "w3tap"])
                try bed.configure(namespace, ["link", "set", "w3tap", "up"])
                try bed.configure(namespace, ["route", "add", "default", "via", "192.168.127.1"])
                _ = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: namespace)
                let report = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"])
                #expect(report.output.contains("\"clients\": {\"\(Family.ipv4.host)\": 1}"), "\(report.output)")
                try service.waitForCounters("a spliced connection") { $0["splicedOpened"] == 1 }
                #expect(try service.end().status == 0)
                try waitUntil("the rules of before") {
                    let after = try state(bed, namespace)
                    return after.rules == before.rules && after.marks == before.marks
                }
            }
        }

        @Test func `serve leaves a tap of its own namespace to the interface`() throws {
            try TestBed.use { bed in
                let before = try state(bed, bed.host)
                let service = try Service(bed, ["--listen", "tap:w3tap", "-p", "8080:80"])
                try bed.configure(bed.host, ["addr", "add", "192.168.127.2/24", "dev", "w3tap"])
                try bed.configure(bed.host, ["link", "set", "w3tap", "up"])
                _ = try bed.serve(Machine.flows, ["serve", "80", "--greet"])
                _ = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"])
                try service.waitForCounters("an attempt") { $0["splicedWithoutSocket"] == 1 }
                let after = try state(bed, bed.host)
                #expect(after.rules == before.rules && after.marks == before.marks)
                _ = try service.end()
            }
        }

        private func state(_ bed: TestBed, _ namespace: String) throws -> (rules: String, marks: String, local: String)
        {
            let rules = try bed.run(["sh", "-c", "ip rule; ip -6 rule"], in: namespace).requireSuccess()
            let marks = try bed.run(
                ["sysctl", "net.ipv4.tcp_fwmark_accept", "net.ipv4.fwmark_reflect", "net.ipv6.fwmark_reflect"],
                in: namespace
            ).requireSuccess()
            let local = try bed.run(
                [
                    "sh", "-c",
                    "ip route show table all | grep 127.254; ip -6 route show table all | grep '::fe '; true",
                ],
                in: namespace
            ).requireSuccess()
            return (rules, marks, local)
        }
    }
}

/// A `ringway attach` that has reported readiness.
final class Attached {
    let program: Program
    private let statisticsPath: String

    /// - Parameter launcher: the prefix of its command line, instead of the bed's host.
    init(_ bed: TestBed, _ options: [String], launcher: [String] = []) throws {
        statisticsPath = bed.directory + "/attach.json"
        let ends = try makePipe()
        defer { close(ends[0]) }
        let arguments =
            launcher + [
                Machine.ringway, "attach", "--ipv6-prefix", Family.prefix, "--statistics", statisticsPath,
                "--ready-fd", "3",
            ] + Machine.reactorOptions + options
        program = try bed.start(arguments, notice: ends[1])
        close(ends[1])
        var entry = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        var bytes = [UInt8](repeating: 0, count: 16)
        guard poll(&entry, 1, 10_000) == 1, read(ends[0], &bytes, 16) > 0 else {
            let outcome = try program.waitForEnd(within: .seconds(5))
            throw TestFailure("attach did not start: status \(outcome.status), \(outcome.errors)")
        }
    }

    func waitForLine(_ text: String) throws {
        try waitUntil("\"\(text)\" from attach, which said \(program.errors)") { program.errors.contains(text) }
    }

    func waitForCounters(_ what: String, _ isWanted: ([String: Int]) -> Bool) throws {
        var last: [String: Int] = [:]
        do {
            try waitUntil(what, within: .seconds(10)) {
                guard let data = FileManager.default.contents(atPath: statisticsPath) else { return false }
                last = try JSONDecoder().decode([String: Int].self, from: data)
                return isWanted(last)
            }
        } catch {
            throw TestFailure("\(error): \(last.filter { $0.value != 0 })")
        }
    }

    func end() throws -> Program.Outcome {
        program.send(SIGTERM)
        return try program.waitForEnd(within: .seconds(10))
    }
}

/// A mount namespace with its own `/etc`, kept by a process in a network namespace.
private final class Room {
    let process: pid_t
    private let bed: TestBed

    init(_ bed: TestBed, in namespace: String, _ propagation: String) throws {
        self.bed = bed
        let place = "\(bed.directory)/room"
        let script = """
            set -e; mkdir -p \(place); mount -t tmpfs none \(place); cp -a /etc/. \(place)/
            rm -rf \(place)/netns \(place)/resolv.conf; echo nameserver 127.0.0.1 >\(place)/resolv.conf
            mount --bind \(place) /etc; exec sleep 600
            """
        let holder = try bed.start(
            ["unshare", "--mount"] + propagation.split(separator: " ").map(String.init) + ["sh", "-c", script],
            in: namespace)
        process = holder.identifier
        try waitUntil("the room") {
            guard holder.isRunning else { throw TestFailure("the room is gone: \(holder.errors)") }
            return FileManager.default.contents(atPath: "/proc/\(holder.identifier)/comm") == Data("sleep\n".utf8)
        }
    }

    /// The prefix of a command line that runs in it.
    var enter: [String] { ["nsenter", "-t", "\(process)", "-m", "--"] }

    @discardableResult
    func run(_ script: String) throws -> Program.Outcome {
        try bed.runAnywhere(["nsenter", "-t", "\(process)", "-m", "-n", "--", "sh", "-c", script])
    }
}
