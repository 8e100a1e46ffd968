internal import ArgumentParser
internal import RingwayControl

/// Which network a command is about.
struct ControlOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The network's control socket. (default: the one that --name leads to)", valueName: "path"),
        transform: OptionValue.file)
    var control: String?

    @Option(
        help: ArgumentHelp(
            "The network's name: its socket is NAME.sock in $XDG_RUNTIME_DIR/ringway, for root without that variable "
                + "in /run/ringway. (default: default)", valueName: "name"),
        transform: OptionValue.networkName)
    var name: String = ControlPath.standardName

    /// Whom to ask.
    func client() throws(CommandFailure) -> ControlClient {
        guard let path = control ?? ControlPath.path(of: name) else {
            throw CommandFailure("XDG_RUNTIME_DIR is not set: give --control PATH", status: ExitStatus.usage)
        }
        return ControlClient(path: path)
    }
}

extension ControlClient {
    /// The answer as text, for `--json`.
    func text(_ target: String) throws(CommandFailure) -> String {
        do throws(Failure) {
            return String(decoding: try request("GET", target), as: UTF8.self)
        } catch {
            throw CommandFailure(error.description)
        }
    }

    /// The answer, or the reason that there is none as the command's own.
    func ask(_ method: String, _ target: String, body: [UInt8] = []) throws(CommandFailure) -> JSONValue {
        do throws(Failure) {
            return try json(method, target, body: body)
        } catch {
            throw CommandFailure(error.description)
        }
    }
}
