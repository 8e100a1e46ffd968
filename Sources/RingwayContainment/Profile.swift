internal import RingwaySystem

/// What a program, and each kind of its threads, may still do after the program has contained itself.
///
/// An ordinary user's process usually has no capabilities; it keeps none then.
public struct Profile: Sendable {
    /// The capabilities that the process keeps, and what it needs each for.
    public let capabilities: [Capability: String]
    /// The system calls that all threads may make; the parameter is the calling process.
    let systemCalls: @Sendable (_ process: Int32) -> SystemCallList
    /// The kinds of threads that may do less than the process.
    let threads: [ThreadKind: ThreadProfile]

    /// What threads of one kind may do, of what their process may.
    public struct ThreadProfile: Sendable {
        public let capabilities: [Capability]
        let systemCalls: @Sendable (_ process: Int32, _ thread: Int32) -> SystemCallList
    }

    /// `ringway run`, `attach` and `serve`.
    public static let bridge = Profile(
        capabilities: [
            .overrideFilePermissions: namedFiles, .readFiles: namedFiles, .actAsFileOwner: namedFiles,
            .signalProcesses: "signals of the terminal for COMMAND, which may have become another user",
            .bindPrivilegedPorts: "published ports below 1024",
            .administerNetwork: "interfaces of links \"tap:\", and marks and routing rules in their namespaces",
            .openRawSockets:
                "pings where net.ipv4.ping_group_range excludes the user, and refusals of published UDP ports",
            .readProcesses: "the name of the process that holds a port which cannot be published",
            .enterNamespaces: "sockets in the network namespace of a TAP's interface",
        ],
        systemCalls: SystemCallList.process,
        threads: [
            .shard: ThreadProfile(
                capabilities: [.bindPrivilegedPorts, .openRawSockets], systemCalls: SystemCallList.shard),
            .names: ThreadProfile(capabilities: [.readFiles], systemCalls: SystemCallList.names),
        ])

    private static let namedFiles = "files that the user names: configuration, state, statistics, capture, sockets"

    /// `ringway-agent run`.
    ///
    /// - Parameter mounts: whether the agent mounts a file with name servers, in a mount namespace of its own.
    public static func agent(mounts: Bool) -> Profile {
        Profile(
            capabilities: [
                .overrideFilePermissions: guestFiles, .readFiles: guestFiles, .actAsFileOwner: guestFiles,
                .administerNetwork: "the guest's interface, its addresses and routes",
                .readProcesses: "network namespaces of containers, found by their processes",
                .enterNamespaces: "sockets in network namespaces of containers, and a mounted file with name servers",
                .setClock: "the guest's clock, after the virtual machine was suspended",
            ],
            systemCalls: { SystemCallList.agent($0, mounts: mounts) },
            threads: [.frames: ThreadProfile(capabilities: [], systemCalls: SystemCallList.frames)])
    }

    private static let guestFiles = "the name servers' file, and unix sockets of the guest's programs"

    /// `ringway-agent docker-proxy`.
    public static let dockerProxy = Profile(
        capabilities: [
            .overrideFilePermissions: "the agent's socket", .bindPrivilegedPorts: "ports for clients inside the guest",
        ], systemCalls: SystemCallList.dockerProxy, threads: [:])
}
