internal import Glibc

extension SystemCallList {
    /// The list of a shard's thread, in force as soon as the shard's ring is enabled.
    ///
    /// A shard opens no file, makes no unix socket that listens, starts no thread and no process, and makes no second
    /// ring. Its memory is never executable.
    ///
    /// - Parameters:
    ///   - process: the calling process.
    ///   - thread: the calling thread, which may send a signal to itself, as `abort` does.
    public static func shard(_ process: Int32, _ thread: Int32) -> SystemCallList {
        SystemCallList(
            shardGroups + [abort(process, thread)],
            // The allocator of the C library reads /proc/sys/vm/overcommit_memory before it first returns memory.
            attempts: ["open", "openat"], refusal: .death)
    }

    private static let shardGroups =
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
                    "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg",
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
        ] + runtimeGroups

    /// What every thread needs.
    private static let runtimeGroups = [
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
                "nanosleep", "getrandom", "exit", "exit_group", "rt_sigaction",
                Call("prctl", [[Condition(0, is: Self.setName)], [Condition(0, is: Self.nameMemory)]]),
            ]),
    ]

    /// The list of the thread that resolves names. It reads files, and has sockets to nameservers.
    ///
    /// - Parameters:
    ///   - process: the calling process.
    ///   - thread: the calling thread.
    public static func names(_ process: Int32, _ thread: Int32) -> SystemCallList {
        SystemCallList(
            [
                Group("its loop", ["epoll_ctl", "epoll_pwait", "epoll_wait", "read", "write", "close"]),
                Group(
                    "queries and answers",
                    [
                        Call("socket", Self.querySockets), "bind", "connect", "shutdown", "getsockname", "getsockopt",
                        "setsockopt", "sendto", "sendmsg", "recvfrom", "recvmsg", Call("fcntl", Self.fileControls),
                    ]),
                Group(
                    "resolv.conf",
                    [
                        Call("open", Self.readOnly(argument: 1)), Call("openat", Self.readOnly(argument: 2)), "lstat",
                        "fstat", "newfstatat", "readlink", "readlinkat", "inotify_init1", "inotify_add_watch",
                        "inotify_rm_watch",
                    ]),
            ] + runtimeGroups + [abort(process, thread)], refusal: .death)
    }

    /// The list of a thread that moves frames in `ringway-agent`. Its descriptors are made by other threads.
    ///
    /// - Parameters:
    ///   - process: the calling process.
    ///   - thread: the calling thread.
    public static func frames(_ process: Int32, _ thread: Int32) -> SystemCallList {
        SystemCallList(
            [
                Group(
                    "frames",
                    ["read", "readv", "write", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg", "poll", "ppoll"]),
                Group("its priority", ["sched_setscheduler"]),
            ] + runtimeGroups + [abort(process, thread)], refusal: .death)
    }

    /// The list of `ringway-agent run`, after its start.
    ///
    /// - Parameters:
    ///   - process: the calling process, whose threads may send signals to each other.
    ///   - mounts: whether it mounts a file with name servers.
    public static func agent(_ process: Int32, mounts: Bool) -> SystemCallList {
        var groups = [
            Group("the guest's clock", ["clock_settime"]), Group("the priority of threads", ["sched_setscheduler"]),
            abort(process),
        ]
        if mounts {
            groups.append(
                Group(
                    "a mounted file with name servers",
                    ["fsopen", "fsconfig", "fsmount", "move_mount", "open_tree", "umount2"]))
        }
        let names = groups.flatMap(\.calls).map(\.name)
        return SystemCallList(
            (shardGroups + processGroups).compactMap { $0.without(unneededByAgent) } + groups,
            deeds: deeds.filter { !names.contains($0) }, refusal: .absent)
    }

    /// The list of `ringway-agent docker-proxy`, once its port is published.
    ///
    /// - Parameter process: the calling process.
    public static func dockerProxy(_ process: Int32) -> SystemCallList {
        SystemCallList(
            [
                Group("its loop", ["epoll_ctl", "epoll_pwait", "epoll_wait", "read", "write", "close"]),
                Group("the agent", [Call("socket", [[Condition(0, is: 1)]])]),
                Group(
                    "clients inside the guest",
                    [
                        Call("socket", Self.querySockets), "bind", "connect", "listen", "accept4", "shutdown",
                        "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg",
                        "recvfrom", "recvmsg", "splice", "pipe2", Call("fcntl", Self.fileControls),
                    ]),
            ] + runtimeGroups + [abort(process)], deeds: deeds, refusal: .absent)
    }

    /// The list of the whole process, after its start: for the threads of control, name resolution, agents, capture and
    /// state, and those of libraries. A shard's own list comes on top of it.
    ///
    /// - Parameter process: the calling process, whose threads may send signals to each other.
    public static func process(_ process: Int32) -> SystemCallList {
        SystemCallList(
            shardGroups + processGroups + [abort(process)], deeds: deeds, refusal: .absent)
    }

    /// `abort` sends a signal to its own thread; where that is not known, to any thread of its process.
    private static func abort(_ process: Int32, _ thread: Int32? = nil) -> Group {
        var conditions = [Condition(0, is: UInt64(process))]
        if let thread { conditions.append(Condition(1, is: UInt64(thread))) }
        return Group("abort", [Call("tgkill", [conditions])])
    }

    /// What `ringway` needs, but not the agent: rings, processes of guests, and files that it follows.
    private static let unneededByAgent: Set<String> = [
        "io_uring_setup", "io_uring_enter", "io_uring_register", "wait4", "waitid", "kill", "pidfd_open",
        "timerfd_create", "timerfd_settime", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "getdents64",
        "flock", "fsync", "umask",
    ]

    private static let processGroups = [
        Group("the start of a shard's ring", ["io_uring_setup"]),
        Group(
            "control and agents",
            [
                Call("socket", Self.localSockets),
                Call("socketpair", [[Condition(0, is: UInt64(AF_UNIX))]]), "fcntl",
                Call("ioctl", Self.deviceControls),
            ]),
        // The library that compiles the filter of a capture is loaded when it is first needed. Nothing is ever
        // writable and executable.
        Group("libpcap", [Call("mmap", Self.notWritableAndExecutable)]),
        Group(
            "files of the user: configuration, state, statistics, capture, sockets with names",
            [
                "open", "openat", "access", "faccessat", "faccessat2", "stat", "lstat", "fstat",
                "newfstatat",
                "statx", "fstatfs", "readlink", "readlinkat", "getdents64", "lseek", "pread64",
                "pwrite64",
                "ftruncate", "fsync", "flock", "rename", "renameat",
                "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "chmod", "fchmod",
                "fchmodat", "umask", "getcwd", "chdir", "fchdir", "dup2",
                "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
            ]),
        // clone3 is refused, because its flags are in memory, which a filter does not see: the C library then calls
        // clone.
        Group(
            "threads",
            [
                Call("clone", [[Condition(0, mask: Self.cloneKinds, is: Self.cloneThread)]]),
                "set_tid_address",

                Call("prctl", Self.processControls),

                "arch_prctl",
            ]),
        Group(
            "processes of guests, and signals",
            [
                "wait4", "waitid", "kill", "pidfd_open", "signalfd4",
                "getpgid",
                "getpgrp",
                "setpgid", "getppid",
            ]),
        Group(
            "time, limits and identity",
            [
                "clock_getres", "gettimeofday", "time", "timerfd_create", "timerfd_settime",
                "prlimit64",
                "sysinfo",
                "uname", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "capget",
                "capset", "seccomp", "epoll_create",
            ]),
        // A daemon makes sockets in the network namespace of its TAP's interface.
        Group("namespaces of guests", [Call("setns", [[Condition(1, is: Self.cloneNewNetwork)]])]),
    ]

    /// What only one who has taken a thread over would do. What a library may try is not among them: it fails.
    static let deeds = [
        "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp",
        "pidfd_getfd", "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
        "mount_setattr", "pivot_root", "chroot", "unshare", "init_module", "finit_module", "delete_module",
        "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "bpf", "perf_event_open", "userfaultfd",
        "keyctl", "add_key", "request_key", "open_by_handle_at", "iopl", "ioperm",
        "modify_ldt", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname",
        "acct", "quotactl", "syslog", "vhangup", "lookup_dcookie", "move_pages",
        "migrate_pages", "setuid", "setgid", "setreuid", "setregid", "setresuid",
        "setresgid", "setgroups", "mknod", "mknodat", "chown", "fchown", "fchownat",
        "lchown",
        "setxattr", "lsetxattr", "fsetxattr",
    ]

    // Enumerators and macros of <linux/sched.h>, <sys/socket.h> and <sys/prctl.h>, as numbers.
    private static let cloneThread: UInt64 = 0x0001_0000
    /// CLONE_THREAD, and the flags that make namespaces.
    private static let cloneKinds: UInt64 = 0x7E03_0000
    private static let cloneNewNetwork: UInt64 = 0x4000_0000
    /// SOCK_STREAM and SOCK_SEQPACKET of AF_UNIX.
    private static let connectedPairs = [1, 5].map {
        [Condition(0, is: UInt64(AF_UNIX)), Condition(1, mask: 0xF, is: $0)]
    }
    private static let setName: UInt64 = 15
    private static let nameMemory: UInt64 = 0x5356_4D41

    private static let protocolsOfTypes: [(type: UInt64, protocols: [UInt64])] = [
        (1, [0, 6]), (2, [0, 17, 1, 58]), (3, [1, 58]),
    ]
    /// TCP, UDP and ping sockets, and raw ones for ICMP and ICMPv6. A protocol of 0 is that of the type.
    private static let internetSockets = [UInt64(AF_INET), UInt64(AF_INET6)].flatMap { family in
        protocolsOfTypes.flatMap { (type, protocols) in
            protocols.map { [Condition(0, is: family), Condition(1, mask: 0xF, is: type), Condition(2, is: $0)] }
        }
    }
    /// TCP and UDP sockets.
    private static let querySockets = internetSockets.filter { $0[2].value == 0 || [6, 17].contains($0[2].value) }
        .filter { $0[1].value != 3 }
    /// O_RDONLY, and no flag by which a file is made.
    private static func readOnly(argument: UInt32) -> [[Condition]] {
        let forbidden = O_ACCMODE | O_CREAT | O_TRUNC | 0x40_0000
        return [[Condition(argument, mask: UInt64(forbidden), is: 0)]]
    }
    /// AF_UNIX and AF_VSOCK; of AF_NETLINK, NETLINK_ROUTE and NETLINK_SOCK_DIAG.
    private static let localSockets: [[Condition]] = [
        [Condition(0, is: 1)], [Condition(0, is: 40)], [Condition(0, is: 16), Condition(2, is: 0)],
        [Condition(0, is: 16), Condition(2, is: 4)],
    ]
    /// PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS and PR_CAP_AMBIENT;
    /// PR_SET_DUMPABLE only to stay untraceable.
    private static let processControls: [[Condition]] =
        ([1, 3, 23, 24, 38, 47] as [UInt64]).map { [Condition(0, is: $0)] }
        + [[Condition(0, is: 4), Condition(1, is: 0)]]
    /// TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNGETIFF, TUNGETDEVNETNS, NS_GET_USERNS, SIOCGIFHWADDR,
    /// SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFMTU, SIOCGIFFLAGS, IOCTL_VM_SOCKETS_GET_LOCAL_CID; TCGETS, TCGETS2 and
    /// TIOCGWINSZ of the user's terminal; FIONBIO and FIOCLEX.
    private static let deviceControls = [
        0x4004_54CA, 0x4004_54D0, 0x4004_54D8, 0x8004_54D2, 0x54E3, 0xB701, 0x8927, 0x8933, 0x8910, 0x8921, 0x8913,
        0x7B9,
        0x5401, 0x802C_542A, 0x5413, 0x5421, 0x5451,
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
