import Foundation
import Glibc
import Ringway

/// A machine of the tests: a network namespace with an interface, curl and a web server.
final class Machine {
    /// How it meets its network.
    enum Link {
        /// Its frames go over this socket.
        case socket(Int32)
        /// It hands over its TAP.
        case tap
        /// It connects to the socket at the path.
        case path(String)
    }

    static let mac = MACAddress(rawValue: 0x5254_0012_3456)
    /// What `makeNetwork` keeps for it.
    static let address = IPv4Address(192, 168, 127, 20)

    /// Why there can be no machines here; `nil` when there can.
    static let obstacle: String? = {
        if access("/dev/net/tun", R_OK | W_OK) != 0 { return "there is no /dev/net/tun" }
        let canIsolate = (try? Program.run(["unshare", "--map-root-user", "--net", "--mount", "true"])) != nil
        return canIsolate ? nil : "namespaces cannot be made here"
    }()

    private let program: Program
    /// What the TAP comes over; when it is closed the machine ends.
    private var line: Int32?

    /// Starts a machine whose web server has the files of a directory; returns when it is set up.
    ///
    /// - Parameter link: a descriptor in it is adopted.
    init(_ link: Link, on network: VirtualNetwork, directory: String) throws {
        let input: Int32?
        let word: String
        switch link {
        case .socket(let descriptor): (input, word) = (descriptor, "socket")
        case .path(let path): (input, word) = (nil, path)
        case .tap:
            let (ours, theirs) = try makeSocketPair()
            (input, word, line) = (theirs, "tap", ours)
        }
        // It is the machine's from now on, so that its end is the connection's.
        defer { if let input { close(input) } }
        program = try Program(
            [
                "unshare", "--map-root-user", "--net", "--mount", "python3", Bed.program("machine.py"), word,
                "\(Self.mac)", "\(Self.address)", "\(network.plan.gatewayIPv4)", directory,
            ], input: input.map { FileHandle(fileDescriptor: $0) })
        guard program.firstLine() == "ready" else { throw LauncherFailure("the machine does not start") }
    }

    deinit { if let line { close(line) } }

    /// The descriptor of the TAP that it hands over.
    func receiveTap() throws -> Int32 {
        guard let line else { throw LauncherFailure("the machine keeps its frames") }
        return try receiveDescriptor(from: line)
    }

    /// Runs a program inside.
    func run(_ arguments: [String]) throws {
        try Program.run(
            [
                "nsenter", "--target", "\(program.identifier)", "--user", "--mount", "--net", "--preserve-credentials",
            ] + arguments)
    }

    /// Pulls the plug.
    func kill() { program.kill() }

    /// Waits until the machine has ended, because its link has.
    func waitForEnd() throws {
        if let line { shutdown(line, Int32(SHUT_RDWR)) }
        try program.waitForEnd()
    }
}
