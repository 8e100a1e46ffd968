internal import ArgumentParser
internal import RingwayUsage

/// A uniform format for command line errors: the error, its place, the accepted values.
///
///     unknown option "--publsh"; did you mean "--publish"?
///     --mtu "1": it must be a number from 1280 to 65520
///     --mtu needs a value: --mtu <bytes>
///
/// Messages of ArgumentParser are rephrased here. A message that is not recognised stays unchanged.
struct UsageMessage {
    /// The command, such as `publish add`; empty for none.
    let command: [String]
    private let type: any ParsableCommand.Type

    /// Determines the command from the arguments.
    init(_ arguments: [String]) {
        var type: any ParsableCommand.Type = RootCommand.self
        var command: [String] = []
        for word in arguments {
            guard let next = Self.subcommand(word, of: type) else { break }
            type = next
            command.append(word)
        }
        self.command = command
        self.type = type
    }

    // MARK: Commands

    /// The error about a word that stands in the place of a command but is no command; `nil` if there is no such
    /// word.
    static func unknownCommand(in arguments: [String]) -> String? {
        let words = arguments.first == "help" ? Array(arguments.dropFirst()) : arguments
        let found = UsageMessage(words)
        let rest = words.dropFirst(found.command.count)
        guard !found.type.configuration.subcommands.isEmpty, let word = rest.first, !word.hasPrefix("-"),
            !(found.command.isEmpty && word == "help")
        else { return nil }
        let known = found.type.configuration.subcommands.map { name(of: $0) }
        let prefix = found.command.map { $0 + " " }.joined()
        let question = Suggestion.nearest(to: word, among: known).map { "; did you mean \"\(prefix)\($0)\"?" }
        return "unknown command \"\(prefix)\(word)\"\(question ?? found.advice)"
    }

    private static func name(of type: any ParsableCommand.Type) -> String {
        type.configuration.commandName ?? "\(type)".lowercased()
    }

    private static func subcommand(
        _ word: String, of type: any ParsableCommand.Type
    ) -> (any ParsableCommand.Type)? {
        type.configuration.subcommands.first { name(of: $0) == word }
    }

    private var advice: String { "; try \"\((["ringway"] + command).joined(separator: " ")) --help\"" }

    // MARK: Options

    /// The first argument that begins with `--` but is not an option of the command. It is reported before other
    /// errors, because they may be its consequences.
    func firstUnknownOption(of arguments: [String]) -> String? {
        // Under "run", arguments after COMMAND belong to COMMAND; `RunCommand` checks those before it.
        guard command != ["run"] else { return nil }
        let known = Set(options + ["--help", "--version"])
        return arguments.prefix { $0 != "--" }.first { word in
            word.hasPrefix("--") && !known.contains(String(word.prefix { $0 != "=" }))
        }
    }

    /// The error about an unknown option.
    func unknownOption(_ option: String) -> String {
        let name = String(option.prefix { $0 != "=" })
        let question = Suggestion.question(name, among: options)
        return "unknown option \"\(name)\"\(question.isEmpty ? advice : question)"
    }

    /// The options of the command, from the first column of its help.
    private var options: [String] {
        let help = RootCommand.helpMessage(for: type, columns: 200)
        var names: [String] = []
        for line in help.split(separator: "\n") where line.hasPrefix("  -") {
            for word in line.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "/" }) {
                guard word.hasPrefix("-") else { break }
                if word.hasPrefix("--") { names.append(String(word)) }
            }
        }
        return names
    }

    // MARK: The parser's messages

    /// The parser's message in this program's format.
    func rephrase(_ message: String) -> String {
        if let option = Self.quoted(message, after: "Unknown option ") { return unknownOption(option) }
        if let option = Self.quoted(message, after: "Missing value for ") {
            let name = option.prefix { $0 != " " }
            return name == option ? "\(name) needs a value\(advice)" : "\(name) needs a value: \(option)"
        }
        if let value = Self.quoted(message, after: "The value ", before: " is invalid for ") {
            return invalid(value, message)
        }
        if let argument = Self.quoted(message, after: "Unexpected argument ") {
            return "unexpected argument \"\(argument)\"\(advice)"
        }
        if let range = message.firstRange(of: " unexpected arguments: '"), message.hasSuffix("'") {
            let words = message[range.upperBound...].dropLast().replacing("', '", with: "\", \"")
            return "unexpected arguments \"\(words)\"\(advice)"
        }
        if let argument = Self.quoted(message, after: "Missing expected argument ") {
            return "\(argument) is missing\(advice)"
        }
        if let option = Self.quoted(message, after: "The option ", before: " does not take any value, but ") {
            return "\(option) takes no value"
        }
        return message
    }

    /// Rephrases "The value 'VALUE' is invalid for 'PLACE': WHY". WHY may be missing.
    private func invalid(_ value: String, _ message: String) -> String {
        let rest = message.dropFirst("The value '\(value)' is invalid for '".count)
        guard let end = rest.firstIndex(of: "'") else { return message }
        let place = rest[..<end].prefix { $0 != " " }
        var reason = String(rest[rest.index(after: end)...].drop { $0 == ":" || $0 == " " || $0 == "." })
        if reason.isEmpty { reason = "it is not a \(Self.valueName(rest[..<end]))" + advice }
        // A positional argument has no name on the command line.
        return "\(place.hasPrefix("<") ? "" : "\(place) ")\"\(value)\": \(reason)"
    }

    private static func valueName(_ option: Substring) -> String {
        let name = option.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" }
        return name.isEmpty ? "value of that kind" : String(name)
    }

    /// The text in single quotes after a prefix. The closing quote is followed by `end`; without `end` it is the last
    /// one of the message.
    private static func quoted(_ message: String, after beginning: String, before end: String? = nil) -> String? {
        guard message.hasPrefix(beginning + "'") else { return nil }
        let rest = message.dropFirst(beginning.count + 1)
        if let end { return rest.firstRange(of: "'" + end).map { String(rest[..<$0.lowerBound]) } }
        // A suggestion of the parser may follow after a full stop. It is left out: this program makes its own.
        return rest.lastIndex(of: "'").map { last in
            let text = rest[..<last]
            return String(text.firstRange(of: "'. ").map { text[..<$0.lowerBound] } ?? text)
        }
    }
}
