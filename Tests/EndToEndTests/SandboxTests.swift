import Foundation
import Testing

extension EndToEnd {
    @Suite("Sandbox")
    struct SandboxTests {
        /// A thread's name, and fields of its status.
        struct Thread {
            let name: String
            let newPrivilegesForbidden: Bool
            /// 0 without a filter, 2 with one.
            let seccomp: Int
            let capabilities: UInt64

            init(_ folder: String) {
                func text(_ file: String) -> String {
                    String(decoding: FileManager.default.contents(atPath: "\(folder)/\(file)") ?? Data(), as: UTF8.self)
                }
                let status = text("status").split(separator: "\n").map { $0.split(separator: ":") }
                func field(_ name: String) -> String {
                    (status.first { $0[0] == name }?.last ?? "").trimmingCharacters(in: .whitespaces)
                }
                name = text("comm").trimmingCharacters(in: .newlines)
                newPrivilegesForbidden = field("NoNewPrivs") == "1"
                seccomp = Int(field("Seccomp")) ?? -1
                capabilities = UInt64(field("CapEff"), radix: 16) ?? .max
            }

            static func all(of process: pid_t) throws -> [Thread] {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").map {
                    Thread("/proc/\(process)/task/\($0)")
                }
            }
        }

        /// CAP_NET_BIND_SERVICE and CAP_NET_RAW.
        static let capabilitiesOfShard: UInt64 = 1 << 10 | 1 << 13
        /// CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_SYS_TIME, CAP_MKNOD, CAP_SETUID, CAP_SETPCAP, CAP_BPF.
        static let capabilitiesOfNone: UInt64 = [16, 17, 22, 25, 27, 7, 8, 39].reduce(0) { $0 | 1 << $1 }

        private func expectContained(_ process: pid_t, shards: Int) throws {
            let threads = try Thread.all(of: process)
            #expect(threads.allSatisfy { $0.newPrivilegesForbidden && $0.seccomp == 2 }, "\(threads)")
            #expect(threads.allSatisfy { $0.capabilities & Self.capabilitiesOfNone == 0 }, "\(threads)")
            let resolvers = threads.filter { $0.name == "ringway-names" }
            #expect(resolvers.count == 1 && resolvers[0].capabilities & ~(1 << 2) == 0, "\(threads)")
            let carriers = threads.filter { $0.name == "ringway-shard" }
            #expect(carriers.count == shards)
            #expect(carriers.allSatisfy { $0.capabilities & ~Self.capabilitiesOfShard == 0 }, "\(threads)")
        }

        @Test("limits every thread of run", arguments: shards)
        func limitsRun(shards: Int) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "8080:80"])
                // A query, so that every kind of thread has run.
                _ = try guest.run(["getent", "ahosts", "gateway.ringway.internal"])
                try expectContained(guest.bridge.identifier, shards: shards)
            }
        }

        @Test func `limits every thread of serve, which says so`() throws {
            try TestBed.use { bed in
                let (link, control) = ("qemu:\(bed.directory)/q", "\(bed.directory)/c")
                let service = try Service(bed, ["--listen", link, "--control", control])
                let machine = try VirtualMachine(bed, "first")
                try machine.plug(link, "52:54:00:00:00:01")
                try machine.configure()
                #expect(try machine.reaches("192.168.127.1"))
                let status = try bed.ringway(["status", "--json", "--control", control]).requireSuccess()
                #expect(status.filter { !$0.isWhitespace }.contains("\"sandbox\":{\"mode\":\"on\""))
                let threads = try Thread.all(of: service.program.identifier)
                let shards = threads.count { $0.name == "ringway-shard" }
                #expect(shards > 0)
                try expectContained(service.program.identifier, shards: shards)
                #expect(try service.end().status == 0)
            }
        }

        /// CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN,
        /// CAP_SYS_TIME.
        static let capabilitiesOfAgent: UInt64 = [1, 2, 3, 12, 19, 21, 25].reduce(0) { $0 | 1 << $1 }

        @Test func `limits every thread of the agent, those for frames most`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, queues: 2)
                _ = try pair.run(["ping", "-c", "1", Family.ipv4.gateway]).requireSuccess()
                let threads = try Thread.all(of: pair.agent.identifier)
                #expect(threads.allSatisfy { $0.newPrivilegesForbidden && $0.seccomp == 2 }, "\(threads)")
                #expect(threads.allSatisfy { $0.capabilities & ~Self.capabilitiesOfAgent == 0 }, "\(threads)")
                let carriers = threads.filter { ["from-guest", "to-guest"].contains($0.name) }
                #expect(carriers.count == 4 && carriers.allSatisfy { $0.capabilities == 0 }, "\(threads)")
            }
        }

        @Test func `limits the Docker engine's proxy`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--agent-publish", "all"])
                let proxy = try UserlandProxyTests.Proxy(pair, port: 8080, name: "first")
                #expect(try proxy.result() == "0\n")
                let threads = try Thread.all(of: proxy.program.identifier)
                #expect(threads.allSatisfy { $0.newPrivilegesForbidden && $0.seccomp == 2 }, "\(threads)")
                #expect(threads.allSatisfy { $0.capabilities & ~(1 << 1 | 1 << 10) == 0 }, "\(threads)")
            }
        }

        @Test func `leaves COMMAND as it is`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1)
                let threads = try Thread.all(of: guest.command)
                #expect(threads.allSatisfy { !$0.newPrivilegesForbidden && $0.seccomp == 0 })
            }
        }

        @Test func `can be turned off`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["--sandbox", "off"])
                let threads = try Thread.all(of: guest.bridge.identifier)
                #expect(threads.allSatisfy { !$0.newPrivilegesForbidden && $0.seccomp == 0 })
            }
        }

        @Test func `lets everything through where it only logs`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["--sandbox", "log"])
                #expect(try guest.run(["ping", "-c", "1", Family.ipv4.gateway]).status == 0)
                let threads = try Thread.all(of: guest.bridge.identifier)
                #expect(threads.allSatisfy { $0.seccomp == 2 })
            }
        }
    }
}
