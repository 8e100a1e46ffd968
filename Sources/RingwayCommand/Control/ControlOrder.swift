internal import RingwayControl

/// The place of a network's control socket, from the command line.
enum ControlOrder: Equatable {
    /// There is none.
    case none
    /// At a socket with the network's own name, or with a number after it where that name is taken.
    case derived
    /// At a socket with this name, and at no other.
    case name(String)
    /// At this socket, whatever the network's name is; the derived one where none is given.
    case path(String, name: String?)
}

/// The names of networks that have been given none.
enum ControlName {
    /// The longest that is taken from a path.
    private static var longest: Int { 64 }

    /// The default name: that of the guest's namespace, or of its process.
    static func derived(from origin: GuestOrigin, process: Int32) -> String {
        switch origin {
        case .command, .trial: return "run-\(process)"
        case .process(let guest): return "attach-\(guest)"
        case .path(let path):
            let parts = path.split(separator: "/").map(String.init)
            // The files in /proc are all called alike.
            if parts.first == "proc" { return "attach-\(parts.dropFirst().first.flatMap { Int32($0) } ?? process)" }
            guard let last = parts.last, (try? OptionValue.networkName(last)) != nil else { return "attach-\(process)" }
            return last
        }
    }

    /// The names that may take the place of one that is taken: blue-2, blue-3 and so on.
    static func alternatives(to name: String) -> [String] {
        (2...100).map { number in
            let ending = "-\(number)"
            return name.prefix(longest - ending.utf8.count) + ending
        }
    }
}
