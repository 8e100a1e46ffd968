import Glibc
import TestSupport
import Testing

@testable import RingwayContainment

/// What one can do who has taken over a thread: each deed is tried in a process of its own, which contains itself as
/// Ringway does.
@Suite("Deeds of one who has taken a thread over")
struct DeedTests {
    /// What the kernel makes of a deed.
    enum End: Equatable, Sendable, CustomTestStringConvertible {
        /// The call failed with this errno.
        case refused(Int32)
        /// The kernel ended the process with SIGSYS.
        case death
        /// The call succeeded.
        case done

        var testDescription: String {
            switch self {
            case .refused(let number): "errno \(number)"
            case .death: "death"
            case .done: "success"
            }
        }
    }

    /// A system call with its arguments, and what becomes of it in a shard's thread and in any other.
    struct Deed: Sendable, CustomTestStringConvertible {
        let name: String
        let call: [String]
        let shard: End
        let process: End

        init(_ name: String, _ call: [String], shard: End = .death, process: End) {
            self.name = name
            self.call = call
            self.shard = shard
            self.process = process
        }

        var testDescription: String { name }
    }

    static let atCurrentFolder = "-100"

    static let deeds = [
        // Files.
        Deed(
            "reads a file of the user", ["openat", atCurrentFolder, "text:/etc/passwd", "0"], shard: .refused(EACCES),
            process: .done),
        Deed("removes a file", ["unlinkat", atCurrentFolder, "text:/nowhere/file", "0"], process: .refused(ENOENT)),
        Deed("makes a file in memory", ["memfd_create", "text:x", "0"], process: .refused(ENOSYS)),
        Deed("makes a device", ["mknodat", atCurrentFolder, "text:/nowhere/x", "8192", "259"], process: .death),
        Deed("gives a file away", ["fchownat", atCurrentFolder, "text:/nowhere/x", "0", "0", "0"], process: .death),
        Deed("opens a file by its handle", ["open_by_handle_at", "-1", "0", "0"], process: .death),
        // Programs and processes.
        Deed("executes a program", ["execve", "text:/bin/true", "0", "0"], process: .death),
        Deed("executes a descriptor", ["execveat", "0", "text:", "0", "0", "4096"], process: .death),
        Deed("forks", ["clone", "17", "0", "0", "0", "0"], process: .refused(ENOSYS)),
        Deed("forks with arguments that no filter sees", ["clone3", "0", "0"], process: .refused(ENOSYS)),
        Deed("traces its parent", ["ptrace", "16", "1", "0", "0"], process: .death),
        Deed("reads another process", ["process_vm_readv", "1", "0", "0", "0", "0", "0"], process: .death),
        Deed("writes to another process", ["process_vm_writev", "1", "0", "0", "0", "0", "0"], process: .death),
        Deed("takes a descriptor of another process", ["pidfd_getfd", "-1", "0", "0"], process: .death),
        Deed("signals another process by a thread's number", ["tgkill", "1", "1", "0"], process: .refused(ENOSYS)),
        Deed("is traced and dumped again", ["prctl", "4", "1", "0", "0", "0"], process: .refused(ENOSYS)),
        Deed(
            "starts a thread in a network namespace of its own", ["clone", "0x40010900", "0", "0", "0", "0"],
            process: .refused(ENOSYS)),
        Deed("signals all processes", ["kill", "-1", "0"], process: .done),
        // Sockets.
        Deed("makes a unix socket", ["socket", "1", "2", "0"], process: .done),
        Deed(
            "makes a pair that can be connected again", ["socketpair", "1", "2", "0", "0"], process: .refused(EFAULT)),
        Deed("makes a packet socket", ["socket", "17", "3", "768"], process: .refused(ENOSYS)),
        Deed("makes a multipath TCP socket", ["socket", "2", "1", "262"], process: .refused(ENOSYS)),
        Deed("makes an SCTP socket", ["socket", "2", "1", "132"], process: .refused(ENOSYS)),
        Deed("makes a socket for the firewall", ["socket", "16", "3", "12"], process: .refused(ENOSYS)),
        Deed("makes a raw socket for all protocols", ["socket", "2", "3", "255"], process: .refused(ENOSYS)),
        Deed("makes a netlink socket", ["socket", "16", "3", "0"], process: .done),
        Deed("makes a socket of the kernel's cryptography", ["socket", "38", "5", "0"], process: .refused(ENOSYS)),
        Deed("makes a Bluetooth socket", ["socket", "31", "3", "1"], process: .refused(ENOSYS)),
        // Rings.
        Deed("makes a second ring", ["io_uring_setup", "0", "0"], process: .refused(EFAULT)),
        Deed(
            "registers without a ring, where no restriction holds", ["io_uring_register", "-1", "31", "0", "0"],
            process: .refused(ENOSYS)),
        // Memory.
        Deed(
            "maps memory that is executable and writable", ["mmap", "0", "4096", "7", "34", "-1", "0"],
            process: .refused(ENOSYS)),
        Deed("makes memory executable", ["mprotect", "0", "4096", "5"], process: .refused(ENOSYS)),
        Deed("handles its own page faults", ["userfaultfd", "0"], process: .death),
        // The kernel.
        Deed("loads a program into the kernel", ["bpf", "0", "0", "0"], process: .death),
        Deed("measures the kernel", ["perf_event_open", "0", "0", "-1", "-1", "0"], process: .death),
        Deed("loads a module", ["finit_module", "-1", "text:", "0"], process: .death),
        Deed("reads keys", ["keyctl", "0", "0", "0", "0", "0"], process: .death),
        Deed("reboots", ["reboot", "0", "0", "0", "0"], process: .death),
        Deed("sets the clock", ["clock_settime", "0", "0"], process: .death),
        Deed("types into its terminal", ["ioctl", "0", "0x5412", "text:x"], process: .refused(ENOSYS)),
        // Namespaces and mounts.
        Deed("makes a user namespace", ["unshare", "0x10000000"], process: .death),
        Deed("enters a mount namespace", ["setns", "-1", "0x00020000"], process: .refused(ENOSYS)),
        Deed("enters a network namespace", ["setns", "-1", "0x40000000"], process: .refused(EBADF)),
        Deed("mounts", ["mount", "0", "text:/", "0", "32", "0"], process: .death),
        Deed("changes its root", ["chroot", "text:/tmp"], process: .death),
        Deed("becomes another user", ["setresuid", "1", "1", "1"], process: .death),
        // What both may do.
        Deed("makes a TCP socket", ["socket", "2", "1", "0"], shard: .done, process: .done),
        Deed("makes a UDP socket", ["socket", "10", "2", "0"], shard: .done, process: .done),
    ]

    @Test(arguments: deeds) func `end as they must in a shard's thread`(_ deed: Deed) throws {
        #expect(try Self.end(of: deed, in: "shard") == deed.shard)
    }

    @Test(arguments: deeds) func `end as they must in any other thread`(_ deed: Deed) throws {
        #expect(try Self.end(of: deed, in: "process") == deed.process)
    }

    @Test(arguments: ["process", "shard"]) func `find a process that cannot be traced or dumped`(_ thread: String)
        throws
    {
        // PR_GET_DUMPABLE, which a shard may not even ask for.
        let (status, output) = try Probe.run([thread, "prctl", "3", "0", "0", "0", "0"])
        #expect(thread == "shard" ? status & 0x7F == SIGSYS : output == "0")
    }

    private static func end(of deed: Deed, in thread: String) throws -> End {
        let (status, output) = try Probe.run([thread] + deed.call)
        if status & 0x7F == SIGSYS { return .death }
        let result = try #require(Int(output), "\(output), status \(status)")
        return result < 0 ? .refused(Int32(-result)) : .done
    }
}
