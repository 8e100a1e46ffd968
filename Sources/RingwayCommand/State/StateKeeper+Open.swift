internal import CRingway
internal import Ringway
internal import RingwaySystem

/// The choice of a network's state file.
extension StateKeeper {
    /// The most files for networks without a name. Such a file is identified by the links of its network.
    private static var mostUnnamed: Int { 16 }

    /// The keeper of a network's state. `nil` if no state is to be kept; also `nil`, with a message on standard
    /// error, if the standard file cannot be opened.
    ///
    /// It is an error if a file with an explicit path cannot be opened. A file that cannot be parsed is renamed.
    static func open(_ order: StateOrder, for network: NetworkOrder) throws(CommandFailure) -> StateKeeper? {
        let links = network.links.map { "\($0.address)" }
        switch order {
        case .none: return nil
        case .file(let path):
            do throws(StateFile.Obstacle) {
                return try open(path, links: links)
            } catch {
                throw CommandFailure("cannot keep the state in \(path): \(error.reason)")
            }
        case .standard(let name):
            guard let directory = StatePath.directory else {
                return refuse("neither XDG_STATE_HOME nor HOME is set; --state FILE names a place")
            }
            if let reason = PrivateDirectory.make(directory, makesParents: true) {
                return refuse("cannot use \(directory): \(reason)")
            }
            let isNamed = name != nil || network.name != NetworkOrder.onlyName
            let path =
                isNamed
                ? "\(directory)/\(name ?? network.name).json" : unnamed(in: directory, links: links)
            do throws(StateFile.Obstacle) {
                return try open(path, links: links, isByLinks: !isNamed)
            } catch {
                return refuse("\(path): \(error.reason)")
            }
        }
    }

    private static func refuse(_ reason: String) -> StateKeeper? {
        StandardError.write("no state is kept after the end: \(reason)")
        return nil
    }

    /// Opens a state file, and reads the state in it.
    ///
    /// - Parameter isByLinks: whether the stored state is used only if it has one of `links`.
    private static func open(
        _ path: String, links: [String], isByLinks: Bool = false
    ) throws(StateFile.Obstacle) -> StateKeeper {
        var file = try StateFile(path)
        var found: NetworkState?
        if !file.bytes.isEmpty {
            do throws(NetworkState.Failure) {
                found = try NetworkState(json: file.bytes)
            } catch {
                let aside = try file.setAside()
                StandardError.write("\(path) cannot be used: \(error); it is \(aside) now, and a new one begins")
            }
        }
        if isByLinks, let other = found, Set(other.links).isDisjoint(with: links) { found = nil }
        do throws(SystemError) {
            return try StateKeeper(file, found: found, links: links)
        } catch {
            throw .other("\(error)")
        }
    }

    /// The state file for a network without a name. The order of preference is: a file whose state has one of these
    /// links, a file that does not exist or cannot be parsed, any file that no process has locked, the first file. The
    /// other files belong to other networks without a name, which are running or have ended.
    private static func unnamed(in directory: String, links: [String]) -> String {
        let paths = (1...mostUnnamed).map { number in
            "\(directory)/\(NetworkOrder.onlyName)\(number == 1 ? "" : "-\(number)").json"
        }
        var unused: String?
        var idle: String?
        for path in paths {
            guard ringway_path_exists(path) else {
                unused = unused ?? path
                continue
            }
            guard let file = try? StateFile(path) else { continue }
            guard let state = try? NetworkState(json: file.bytes) else {
                unused = unused ?? path
                continue
            }
            if !Set(state.links).isDisjoint(with: links) { return path }
            idle = idle ?? path
        }
        return unused ?? idle ?? paths[0]
    }
}

extension StateFile.Obstacle {
    fileprivate var reason: String {
        switch self {
        case .inUse: "another process has it"
        case .other(let reason): reason
        }
    }
}
