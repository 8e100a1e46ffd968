internal import RingwayControl

/// The location of a network's control socket, from the command line.
enum ControlOrder: Equatable {
    /// No socket.
    case none
    /// A socket named after the network, with a number appended if that name is in use.
    case derived
    /// A socket with this name only.
    case name(String)
    /// A socket at this path. The network's name does not depend on it; without a given name one is derived.
    case path(String, name: String?)
}

/// Names for networks to which the user gave no name.
enum ControlName {
    /// The most characters of a name.
    private static var longest: Int { 64 }

    /// The default name: that of the guest's namespace, or one with the number of its process. For a new namespace it
    /// has the number of the bridge's process.
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
