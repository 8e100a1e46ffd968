import Foundation

/// Properties of the machine that runs the tests.
enum Machine {
    /// Why the tests cannot run here, or `nil`.
    static let missing: String? = {
        if geteuid() != 0 { return "root is needed, to make network namespaces" }
        if access("/dev/net/tun", R_OK | W_OK) != 0 { return "there is no /dev/net/tun" }
        if access(ringway, X_OK) != 0 { return "\(ringway) is not there: build it first" }
        if let program = programs.first(where: { path(of: $0) == nil }) { return "\(program) is not installed" }
        return nil
    }()

    /// The program under test: built beside the tests, or named by `RINGWAY`.
    static let ringway: String = {
        if let path = getenv("RINGWAY") { return String(cString: path) }
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (tests as NSString).deletingLastPathComponent + "/ringway"
    }()

    /// The agent under test: built beside the tests, or named by `RINGWAY_AGENT`.
    static let agent: String = {
        if let path = getenv("RINGWAY_AGENT") { return String(cString: path) }
        return (ringway as NSString).deletingLastPathComponent + "/ringway-agent"
    }()

    /// The options for the reactor, from `RINGWAY_REACTOR`.
    static let reactorOptions: [String] = getenv("RINGWAY_REACTOR").map { ["--reactor", String(cString: $0)] } ?? []

    /// A program shared by both test beds: this one, and that of tools/acceptance.
    static func program(_ name: String) -> String { programDirectory + "/" + name }

    /// The program that opens many connections.
    static let flows = program("flows.py")

    /// The search path; an ordinary user's may lack the administrator's directories.
    static let searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    private static let programDirectory =
        (#filePath as NSString).deletingLastPathComponent + "/../../tools/ringway_tools/programs"

    private static let programs = [
        "ip", "ss", "nsenter", "unshare", "setpriv", "prlimit", "sysctl", "mknod", "python3", "curl", "iperf3", "dig",
        "dnsmasq", "nft", "udhcpc", "ping", "traceroute", "tcpdump", "socat",
    ]

    static func path(of program: String) -> String? {
        searchPath.split(separator: ":").map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }
}
