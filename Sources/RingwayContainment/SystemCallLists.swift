internal import Glibc

extension SystemCallList {
    /// The list of a shard's thread, from the moment when its ring is enabled.
    ///
    /// A shard opens no file, makes no unix socket that has a name, starts no thread and no process, and makes no second
    /// ring. Its memory is never executable.
    public static let shard = SystemCallList(
        [
            Group(
                "its ring",
                [
                    "io_uring_enter",
                    // Register calls without a ring, with descriptor -1, are not bound by the ring's restrictions.
                    Call("io_uring_register", Self.ringOnly),
                ]),
            Group(
                "sockets of flows",
                [
                    Call("socket", Self.internetSockets),
                    "bind", "connect", "listen", "accept", "accept4", "shutdown", "close", "getsockname", "getpeername",
                    "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
                    "read", "readv", "write", "writev", "splice", "pipe2", "eventfd2",
                    Call("fcntl", Self.fileControls), Call("ioctl", Self.socketControls),
                ]),
            // Neither kind can be connected to another socket later, as a pair of datagram sockets can.
            Group("channels to name resolution", [Call("socketpair", Self.connectedPairs)]),
            Group(
                "the reactor on hosts without io_uring",
                [
                    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait",
                    "epoll_pwait2", "poll", "ppoll",
                ]),
            Group(
                "memory",
                [
                    "brk", "munmap", "mremap", "madvise", Call("mmap", Self.notExecutable),
                    Call("mprotect", Self.notExecutable),
                ]),
            Group(
                "the C library and Swift's runtime",
                [
                    "futex", "gettid", "getpid", "rseq", "set_robust_list", "rt_sigprocmask", "rt_sigreturn",
                    "restart_syscall", "sched_yield", "sched_getaffinity", "clock_gettime", "clock_nanosleep",
                    "nanosleep", "getrandom", "exit", "exit_group", "tgkill", "rt_sigaction",
                    Call("prctl", [[Condition(0, is: Self.setName)], [Condition(0, is: Self.nameMemory)]]),
                ]),
        ],
        // The allocator of the C library reads /proc/sys/vm/overcommit_memory before it first returns memory.
        attempts: ["open", "openat"], refusal: .death)

    /// The list of the whole process, after its start: for the threads of control, name resolution, agents, capture and
    /// state, and those of libraries. A shard's own list comes on top of it.
    public static let process = SystemCallList(
        shard.groups + [
            Group("the start of a shard's ring", ["io_uring_setup"]),
            Group(
                "control and agents",
                [
                    Call("socket", Self.localFamilies.map { [Condition(0, is: $0)] }),
                    Call("socketpair", [[Condition(0, is: UInt64(AF_UNIX))]]), "fcntl",
                    Call("ioctl", Self.deviceControls),
                ]),
            // The library that compiles the filter of a capture is loaded when it is first needed. Nothing is ever
            // writable and executable.
            Group("libpcap", [Call("mmap", Self.notWritableAndExecutable)]),
            Group(
                "files of the user: configuration, state, statistics, capture, sockets with names",
                [
                    "open", "openat", "openat2", "access", "faccessat", "faccessat2", "stat", "lstat", "fstat",
                    "newfstatat",
                    "statx", "statfs", "fstatfs", "readlink", "readlinkat", "getdents64", "lseek", "pread64",
                    "pwrite64",
                    "pwritev", "ftruncate", "fallocate", "fsync", "fdatasync", "flock", "rename", "renameat",
                    "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod",
                    "fchmodat", "umask", "getcwd", "chdir", "fchdir", "dup", "dup2", "dup3", "sendfile",
                    "copy_file_range", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "memfd_create",
                ]),
            // clone3 is refused, because its flags are in memory, which a filter does not see: the C library then calls
            // clone.
            Group(
                "threads",
                [
                    Call("clone", [[Condition(0, mask: Self.cloneThread, is: Self.cloneThread)]]),
                    "set_tid_address", "sched_setaffinity", "sched_getparam", "sched_getscheduler",
                    "sched_setscheduler",
                    "sched_get_priority_min", "sched_get_priority_max", "getpriority", "setpriority", "prctl",
                    "membarrier",
                    "arch_prctl", "getcpu", "mlock", "munlock", "mincore", "msync", "set_mempolicy", "get_mempolicy",
                ]),
            Group(
                "processes of guests, and signals",
                [
                    "wait4", "waitid", "kill", "pidfd_open", "pidfd_send_signal", "signalfd4", "sigaltstack",
                    "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigqueueinfo", "pause", "getpgid",
                    "getpgrp",
                    "setpgid", "getsid", "getppid", "close_range",
                ]),
            Group(
                "time, limits and identity",
                [
                    "clock_getres", "gettimeofday", "time", "times", "timerfd_create", "timerfd_settime",
                    "timerfd_gettime", "getitimer", "setitimer", "prlimit64", "getrlimit", "setrlimit", "getrusage",
                    "sysinfo",
                    "uname", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "capget",
                    "capset", "seccomp", "epoll_create", "eventfd", "pipe", "select", "pselect6",
                ]),
            // A daemon makes sockets in the network namespace of its TAP's interface.
            Group("namespaces of guests", [Call("setns", [[Condition(1, is: Self.cloneNewNetwork)]])]),
        ],
        deeds: [
            "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
            "pidfd_getfd", "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
            "mount_setattr", "pivot_root", "chroot", "unshare", "init_module", "finit_module", "delete_module",
            "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "bpf", "perf_event_open", "userfaultfd",
            "keyctl", "add_key", "request_key", "open_by_handle_at", "name_to_handle_at", "iopl", "ioperm",
            "modify_ldt", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname",
            "acct", "quotactl", "syslog", "personality", "vhangup", "lookup_dcookie", "mbind", "move_pages",
            "migrate_pages", "landlock_create_ruleset", "setuid", "setgid", "setreuid", "setregid", "setresuid",
            "setresgid", "setgroups", "setfsuid", "setfsgid", "mknod", "mknodat", "chown", "fchown", "fchownat",
            "lchown",
            "setxattr", "lsetxattr", "fsetxattr",
        ], refusal: .absent)

    // Enumerators and macros of <linux/sched.h>, <sys/socket.h> and <sys/prctl.h> that Swift does not import.
    private static let cloneThread: UInt64 = 0x0001_0000
    private static let cloneNewNetwork: UInt64 = 0x4000_0000
    /// SOCK_STREAM and SOCK_SEQPACKET of AF_UNIX.
    private static let connectedPairs = [1, 5].map {
        [Condition(0, is: UInt64(AF_UNIX)), Condition(1, mask: 0xF, is: $0)]
    }
    private static let setName: UInt64 = 15
    private static let nameMemory: UInt64 = 0x5356_4D41

    /// TCP and UDP sockets, and raw ones for ICMP and ICMPv6 only.
    private static let internetSockets = [UInt64(AF_INET), UInt64(AF_INET6)].flatMap { family in
        [(1, 0), (2, 0), (3, 1), (3, 58)].map { (type: UInt64, protocol: UInt64) in
            [Condition(0, is: family), Condition(1, mask: 0xF, is: type)]
                + (type == 3 ? [Condition(2, is: `protocol`)] : [])
        }
    }
    /// AF_UNIX, AF_NETLINK and AF_VSOCK.
    private static let localFamilies: [UInt64] = [1, 16, 40]
    /// TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNGETIFF, TUNGETDEVNETNS, NS_GET_USERNS, SIOCGIFHWADDR,
    /// SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFMTU, SIOCGIFFLAGS, IOCTL_VM_SOCKETS_GET_LOCAL_CID; TCGETS and TIOCGWINSZ of
    /// the user's terminal; FIONBIO and FIOCLEX.
    private static let deviceControls = [
        0x4004_54CA, 0x4004_54D0, 0x4004_54D8, 0x8004_54D2, 0x54E3, 0xB701, 0x8927, 0x8933, 0x8910, 0x8921, 0x8913,
        0x7B9,
        0x5401, 0x5413, 0x5421, 0x5451,
    ].map { [Condition(1, is: $0)] }
    /// FIONREAD, TIOCOUTQ (also SIOCOUTQ) and SIOCATMARK.
    private static let socketControls = [0x541B, 0x5411, 0x8905].map { [Condition(1, is: $0)] }
    /// F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_SETPIPE_SZ and F_GETPIPE_SZ.
    private static let fileControls = [1, 2, 3, 4, 1_030, 1_031, 1_032].map { [Condition(1, is: $0)] }
    private static let ringOnly = [[Condition(0, mask: 0x8000_0000, is: 0)]]
    private static let notWritableAndExecutable = [
        [Condition(2, mask: UInt64(PROT_EXEC), is: 0)], [Condition(2, mask: UInt64(PROT_WRITE), is: 0)],
    ]
    private static let notExecutable = [[Condition(2, mask: UInt64(PROT_EXEC), is: 0)]]
}
