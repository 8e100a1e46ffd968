import CSeccomp
import Testing

@testable import RingwayContainment

@Suite("Lists of system calls")
struct SystemCallListTests {
    static let shard = SystemCallList.shard(1, 2)
    static let process = SystemCallList.process(1)
    static let lists = [("shard", shard), ("process", process)]

    @Test(arguments: lists) func `let no deed through`(_ name: String, _ list: SystemCallList) {
        #expect(Set(list.names).isDisjoint(with: Self.process.deeds))
    }

    @Test(arguments: lists) func `name calls that exist, with a purpose`(_ name: String, _ list: SystemCallList) {
        #expect(list.groups.allSatisfy { !$0.purpose.isEmpty && !$0.calls.isEmpty })
        for name in list.names + list.deeds {
            // __NR_SCMP_ERROR: no architecture has such a call.
            #expect(seccomp_syscall_resolve_name(name) != -1, "\(name)")
        }
    }

    @Test func `let a shard do nothing that the process may not`() {
        #expect(Set(Self.shard.names).isSubset(of: Self.process.names))
    }

    @Test func `give a shard neither files, processes, threads nor another ring`() {
        let never = [
            "open", "openat", "openat2", "creat", "clone", "clone3", "fork", "vfork", "execve", "kill", "tkill",
            "setns",
            "unshare", "io_uring_setup", "memfd_create", "unlink", "rename", "seccomp", "capset",
        ]
        #expect(Set(Self.shard.names).isDisjoint(with: never))
    }

    @Test func `keep of root's capabilities only those with a reason`() {
        #expect(Capability.allCases.allSatisfy { !$0.reason.isEmpty && $0.name.hasPrefix("CAP_") })
        #expect(Set(Capability.shard).isSubset(of: Capability.process))
        #expect(Capability.mask(Capability.shard) == 1 << 10 | 1 << 13)
    }
}
