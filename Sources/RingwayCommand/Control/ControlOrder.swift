internal import RingwayControl

/// The location of a network's control socket, from the command line.
enum ControlOrder: Equatable {
    /// No socket.
    case none
    /// A socket named after the network, with a number appended if that name is in use.
    case derived
    /// A socket with exactly this name, without an appended number.
    case name(String)
    /// A socket at this path. The network's name is `name`, or the default name if that is `nil`.
    case path(String, name: String?)
}

/// Names for networks to which the user gave no name.
enum ControlName {
    /// The most characters of a name.
    private static var longest: Int { 64 }

    /// The default name of a network.
    ///
    /// - For a new namespace it is `run-` and the bridge's PID.
    /// - For the namespace of a process, or a path in /proc/PID, it is `attach-` and the PID of that process.
    /// - For any other path it is the path's last component. If that is no valid name, or the path is another one in
    ///   /proc, it is `attach-` and the bridge's PID.
    ///
    /// - Parameter process: the PID of the bridge, which is the process of `ringway run` or `ringway attach`.
    static func derived(from origin: GuestOrigin, process: Int32) -> String {
        switch origin {
        case .command, .trial: return "run-\(process)"
        case .process(let guest): return "attach-\(guest)"
        case .path(let path):
            let parts = path.split(separator: "/").map(String.init)
            // The last component does not distinguish paths in /proc: it is the same for all processes.
            if parts.first == "proc" { return "attach-\(parts.dropFirst().first.flatMap { Int32($0) } ?? process)" }
            guard let last = parts.last, (try? OptionValue.networkName(last)) != nil else { return "attach-\(process)" }
            return last
        }
    }

    /// Alternatives to a name that is in use: for blue these are blue-2, blue-3 and so on.
    static func alternatives(to name: String) -> [String] {
        (2...100).map { number in
            let ending = "-\(number)"
            return name.prefix(longest - ending.utf8.count) + ending
        }
    }
}
