internal import ArgumentParser
internal import RingwayControl

/// The options that select a network.
struct ControlOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The network's control socket. (default: that of --name)", valueName: "path"),
        transform: OptionValue.file)
    var control: String?

    @Option(
        help: ArgumentHelp(
            "The network's name, as \"ringway ls\" shows it. (default: default, or the only network that is running)",
            valueName: "name"),
        transform: OptionValue.networkName)
    var name: String?

    /// The client for the selected network.
    func client() throws(CommandFailure) -> ControlClient {
        if let control { return ControlClient(path: control) }
        if let name { return try Self.client(named: name) }
        if let path = ControlPath.existingPath(of: ControlPath.standardName) {
            let client = ControlClient(path: path)
            if client.listener.isThere { return client }
        }
        let running = LiveNetwork.sockets()
        guard let first = running.first else {
            throw CommandFailure(
                "no network is running\(Self.hint): start one with \"ringway run\", \"attach\" or \"serve\"")
        }
        guard running.count == 1 else {
            throw CommandFailure(
                "several networks are running: \(Self.names(running)); choose one with --name",
                status: ExitStatus.usage)
        }
        return first.client
    }

    private static func client(named name: String) throws(CommandFailure) -> ControlClient {
        guard let path = ControlPath.existingPath(of: name) else {
            throw CommandFailure("XDG_RUNTIME_DIR is not set: give --control PATH", status: ExitStatus.usage)
        }
        let client = ControlClient(path: path)
        if client.listener.isThere { return client }
        let running = LiveNetwork.sockets()
        throw CommandFailure(
            "no network of the name \(name) is running"
                + (running.isEmpty ? hint : "; those that are: \(names(running))"))
    }

    private static func names(_ networks: [LiveNetwork]) -> String {
        networks.map(\.name).joined(separator: ", ")
    }

    /// Why running networks may not have been found: they are root's, or XDG_RUNTIME_DIR is not set. Empty otherwise.
    private static var hint: String {
        if let hidden = ControlPath.hidden { return " as this user (root's are in \(hidden))" }
        return ControlPath.directory == nil ? " that can be found without XDG_RUNTIME_DIR" : ""
    }
}

extension ControlClient {
    /// Sends a GET request and returns the response as text, for `--json`.
    func text(_ target: String) throws(CommandFailure) -> String {
        do throws(Failure) {
            return String(decoding: try request("GET", target), as: UTF8.self)
        } catch {
            throw CommandFailure(error.description)
        }
    }

    /// Sends a request and returns the JSON of the response. Failures are thrown as `CommandFailure`.
    func ask(_ method: String, _ target: String, body: [UInt8] = []) throws(CommandFailure) -> JSONValue {
        do throws(Failure) {
            return try json(method, target, body: body)
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
