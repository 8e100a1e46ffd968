internal import ArgumentParser
internal import RingwayUsage

/// A node of a configuration file: its value, its line, and the format of errors about it.
struct ConfigurationNode {
    let file: String
    /// The path of keys, such as `networks.blue.mtu`; empty for the root.
    let key: String
    private let node: YAMLNode
    /// The position of the node's key, or of the node itself if it has no key.
    private let mark: YAMLNode.Mark

    /// The root of a file; `nil` if the file has no value.
    static func parse(_ text: String, file: String) throws(CommandFailure) -> ConfigurationNode? {
        do throws(YAMLFailure) {
            guard let node = try YAMLReader.read(text), !node.isNull else { return nil }
            return ConfigurationNode(file: file, key: "", node: node, mark: node.mark)
        } catch {
            throw CommandFailure(
                "\(file): line \(error.mark.line), column \(error.mark.column): \(error.message)",
                status: ExitStatus.usage)
        }
    }

    // MARK: Values

    /// The members of a mapping; a key that is not in `allowed` is refused.
    func members(_ allowed: [String]) throws(CommandFailure) -> [String: ConfigurationNode] {
        for member in try mapping() where !allowed.contains(member.key) {
            let remedy =
                Suggestion.nearest(to: member.key, among: allowed).map { "did you mean \"\($0)\"?" }
                ?? "use one of \(allowed.joined(separator: ", "))"
            throw failure("unknown key \"\(member.key)\"; \(remedy)", line: member.mark.line)
        }
        return try members()
    }

    /// The members of a mapping with arbitrary keys.
    func members() throws(CommandFailure) -> [String: ConfigurationNode] {
        var members: [String: ConfigurationNode] = [:]
        for member in try mapping() { members[member.key] = child(member.key, member.value, member.mark) }
        return members
    }

    private func mapping() throws(CommandFailure) -> [YAMLNode.Member] {
        guard case .mapping(let members) = node.content else {
            throw failure("\(kind) stands here; write keys and values")
        }
        return members
    }

    /// The names of a mapping's members, in the order of the file.
    var names: [String] {
        guard case .mapping(let members) = node.content else { return [] }
        return members.map(\.key)
    }

    /// The elements of a list. A single value counts as a list of one, and no value as an empty list.
    func elements() throws(CommandFailure) -> [ConfigurationNode] {
        switch node.content {
        case .sequence(let elements):
            return elements.enumerated().map { index, element in child("\(index + 1)", element, element.mark) }
        case .scalar: return node.isNull ? [] : [self]
        case .mapping: throw failure("\(kind) stand here; write a list")
        }
    }

    /// The text of a single value, as written in the file.
    func text() throws(CommandFailure) -> String {
        guard case .scalar(let text, _) = node.content, !node.isNull else {
            throw failure("\(kind) \(isMapping ? "stand" : "stands") here; write a single value")
        }
        return text
    }

    /// A single value, converted by a parser such as those of command-line options.
    func value<Value>(_ transform: (String) throws -> Value) throws(CommandFailure) -> Value {
        let text = try text()
        do {
            return try transform(text)
        } catch let error as ValidationError {
            throw failure("invalid value \"\(text)\": \(error.message)")
        } catch {
            throw failure("invalid value \"\(text)\": \(error)")
        }
    }

    func boolean() throws(CommandFailure) -> Bool {
        switch try text() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        case let other: throw failure("invalid value \"\(other)\": it must be true or false")
        }
    }

    private var isMapping: Bool { if case .mapping = node.content { true } else { false } }

    private var kind: String {
        switch node.content {
        case .mapping: "keys and values"
        case .sequence: "a list"
        case .scalar(let text, _): node.isNull ? "nothing" : "\"\(text)\""
        }
    }

    private func child(_ name: String, _ node: YAMLNode, _ mark: YAMLNode.Mark) -> ConfigurationNode {
        ConfigurationNode(file: file, key: key.isEmpty ? name : "\(key).\(name)", node: node, mark: mark)
    }

    // MARK: Errors

    var line: Int { mark.line }

    /// One line: the position, the error, and after a semicolon the remedy.
    func failure(_ message: String, line: Int? = nil) -> CommandFailure {
        let place = "\(file): line \(line ?? mark.line): " + (key.isEmpty ? "" : "\(key): ")
        return CommandFailure(place + message, status: ExitStatus.usage)
    }
}
