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

    /// The default name: `run-PID` with the bridge's process for a new namespace, `attach-PID` with the guest's
    /// process for a process or a path in /proc, otherwise the last component of the namespace's path. If that
    /// component is not a valid name, the name is `attach-PID` with the bridge's process.
    ///
    /// - Parameter process: the bridge's process.
    static func derived(from origin: GuestOrigin, process: Int32) -> String {
        switch origin {
        case .command, .trial: return "run-\(process)"
        case .process(let guest): return "attach-\(guest)"
        case .path(let path):
            let parts = path.split(separator: "/").map(String.init)
            // Files in /proc all have the same name.
            if parts.first == "proc" { return "attach-\(parts.dropFirst().first.flatMap { Int32($0) } ?? process)" }
            guard let last = parts.last, (try? OptionValue.networkName(last)) != nil else { return "attach-\(process)" }
            return last
        }
    }

    /// Alternatives to a name that is in use: blue-2, blue-3 and so on.
    static func alternatives(to name: String) -> [String] {
        (2...100).map { number in
            let ending = "-\(number)"
            return name.prefix(longest - ending.utf8.count) + ending
        }
    }
}
