import CSeccomp
import RingwaySystem
import Testing

@testable import RingwayContainment

@Suite("Lists of system calls")
struct SystemCallListTests {
    static let shard = SystemCallList.shard(1, 2)
    static let process = SystemCallList.process(1)
    static let lists = [
        ("shard", shard), ("process", process), ("names", SystemCallList.names(1, 2)),
        ("agent", SystemCallList.agent(1, mounts: false)), ("frames", SystemCallList.frames(1, 2)),
        ("docker-proxy", SystemCallList.dockerProxy(1)),
    ]

    @Test(arguments: lists) func `let no deed through`(_ name: String, _ list: SystemCallList) {
        let deeds = Set(Self.process.deeds).subtracting(name == "agent" ? ["clock_settime"] : [])
        #expect(Set(list.names).isDisjoint(with: deeds))
    }

    @Test(arguments: lists) func `name calls that exist, with a purpose`(_ name: String, _ list: SystemCallList) {
        #expect(list.groups.allSatisfy { !$0.purpose.isEmpty && !$0.calls.isEmpty })
        for name in list.names + list.deeds {
            // __NR_SCMP_ERROR: no architecture has such a call.
            #expect(seccomp_syscall_resolve_name(name) != -1, "\(name)")
        }
    }

    @Test func `let no thread do what its process may not`() {
        #expect(Set(Self.shard.names).isSubset(of: Self.process.names))
        #expect(Set(SystemCallList.names(1, 2).names).isSubset(of: Self.process.names))
        #expect(Set(SystemCallList.frames(1, 2).names).isSubset(of: SystemCallList.agent(1, mounts: false).names))
    }

    @Test func `give the thread for names neither processes, threads, rings nor files to write`() {
        let never = [
            "clone", "clone3", "execve", "kill", "setns", "io_uring_setup", "unlink", "rename", "mkdir", "socketpair",
            "listen", "accept", "accept4", "ioctl", "creat", "pwrite64", "ftruncate",
        ]
        let names = SystemCallList.names(1, 2)
        #expect(Set(names.names).isDisjoint(with: never))
        #expect(
            names.groups.flatMap(\.calls).filter { $0.name.hasPrefix("open") }.allSatisfy { !$0.alternatives.isEmpty })
    }

    @Test func `let the thread for frames make no descriptor`() {
        let never = ["socket", "socketpair", "open", "openat", "accept4", "pipe2", "connect", "bind", "dup", "ioctl"]
        #expect(Set(SystemCallList.frames(1, 2).names).isDisjoint(with: never))
    }

    @Test func `give a shard neither files, processes, threads nor another ring`() {
        let never = [
            "open", "openat", "openat2", "creat", "clone", "clone3", "fork", "vfork", "execve", "kill", "tkill",
            "setns",
            "unshare", "io_uring_setup", "memfd_create", "unlink", "rename", "seccomp", "capset",
        ]
        #expect(Set(Self.shard.names).isDisjoint(with: never))
    }

    @Test func `keep of root's capabilities only those with a reason`() throws {
        for profile in [Profile.bridge, .agent(mounts: true), .dockerProxy] {
            #expect(profile.capabilities.allSatisfy { !$0.value.isEmpty && $0.key.name.hasPrefix("CAP_") })
            for thread in profile.threads.values {
                #expect(Set(thread.capabilities).isSubset(of: profile.capabilities.keys))
            }
        }
        #expect(Capability.mask(try #require(Profile.bridge.threads[.shard]).capabilities) == 1 << 10 | 1 << 13)
    }
}
