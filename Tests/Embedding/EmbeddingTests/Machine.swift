import Foundation
import Glibc
import Ringway

/// A machine of the tests: a network namespace with an interface, curl and a web server.
final class Machine {
    /// The kind of its link.
    enum Link {
        /// A socket for its frames.
        case socket(Int32)
        /// It passes its TAP's descriptor.
        case tap
        /// It connects to the socket at the path.
        case path(String)
    }

    static let mac = MACAddress(rawValue: 0x5254_0012_3456)
    /// The address that `makeNetwork` reserves for it.
    static let address = IPv4Address(192, 168, 127, 20)

    /// Why no machines can be started here; `nil` if they can.
    static let obstacle: String? = {
        if access("/dev/net/tun", R_OK | W_OK) != 0 { return "there is no /dev/net/tun" }
        let canIsolate = (try? Program.run(["unshare", "--map-root-user", "--net", "--mount", "true"])) != nil
        return canIsolate ? nil : "namespaces cannot be made here"
    }()

    private let program: Program
    /// The socket through which the TAP's descriptor is passed; the machine ends when it is closed.
    private var line: Int32?

    /// Starts a machine whose web server serves a directory; returns when it is set up.
    ///
    /// - Parameter link: its descriptor is adopted.
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
        // Owned by the machine from now on, so that its end closes the connection.
        defer { if let input { close(input) } }
        program = try Program(
            [
                "unshare", "--map-root-user", "--net", "--mount", "python3", Bed.program("machine.py"), word,
                "\(Self.mac)", "\(Self.address)", "\(network.plan.gatewayIPv4)", directory,
            ], input: input.map { FileHandle(fileDescriptor: $0) })
        guard program.firstLine() == "ready" else { throw LauncherFailure("the machine does not start") }
    }

    deinit { if let line { close(line) } }

    /// The descriptor of its TAP.
    func receiveTap() throws -> Int32 {
        guard let line else { throw LauncherFailure("the machine keeps its frames") }
        return try receiveDescriptor(from: line)
    }

    /// Runs a program inside the machine.
    func run(_ arguments: [String]) throws {
        try Program.run(
            [
                "nsenter", "--target", "\(program.identifier)", "--user", "--mount", "--net", "--preserve-credentials",
            ] + arguments)
    }

    /// Kills the machine.
    func kill() { program.kill() }

    /// Waits until the machine has ended after its link did.
    func waitForEnd() throws {
        if let line { shutdown(line, Int32(SHUT_RDWR)) }
        try program.waitForEnd()
    }
}
