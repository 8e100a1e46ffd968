internal import ArgumentParser
internal import Yams

/// A place in a configuration file: what stands there, where that is, and how to say what is wrong with it.
struct ConfigurationNode {
    let file: String
    /// The way to it, such as `networks.blue.mtu`; empty for the whole.
    let key: String
    private let node: Node
    private let mark: Mark?

    /// The whole of a file; `nil` when there is nothing in it.
    static func parse(_ text: String, file: String) throws(CommandFailure) -> ConfigurationNode? {
        do {
            guard let node = try Yams.compose(yaml: text) else { return nil }
            return ConfigurationNode(file: file, key: "", node: node, mark: node.mark)
        } catch {
            throw CommandFailure(explain(error, file), status: ExitStatus.usage)
        }
    }

    private static func explain(_ error: any Error, _ file: String) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(file):\(mark.line):\(mark.column): it is neither YAML nor JSON: \(problem)"
        case .duplicatedKeysInMapping(let keys, let context):
            "\(file):\(context.mark.line): the key \(keys.map { "\"\($0)\"" }.joined(separator: ", ")) is there twice"
        case .reader(let problem, _, _, _): "\(file): it is neither YAML nor JSON: \(problem)"
        default: "\(file): it is neither YAML nor JSON"
        }
    }

    // MARK: What stands there

    /// The members of a mapping; a key that is not among `allowed` is refused.
    func members(_ allowed: [String]) throws(CommandFailure) -> [String: ConfigurationNode] {
        let members = try members()
        for member in members.sorted(by: { $0.value.line < $1.value.line }) where !allowed.contains(member.key) {
            throw member.value.failure("there is no such key", "one of \(allowed.joined(separator: ", "))")
        }
        return members
    }

    /// The members of a mapping with keys of the user's choice.
    func members() throws(CommandFailure) -> [String: ConfigurationNode] {
        guard case .mapping(let mapping) = node else { throw failure("\(kind)", "keys and values") }
        var members: [String: ConfigurationNode] = [:]
        for (name, value) in mapping {
            guard case .scalar(let scalar) = name else { throw failure("a key that is no text", "keys and values") }
            members[scalar.string] = child(scalar.string, value, name.mark ?? value.mark)
        }
        return members
    }

    /// The names of a mapping's members, in the order of the file.
    var names: [String] {
        guard case .mapping(let mapping) = node else { return [] }
        return mapping.compactMap { name, _ in
            if case .scalar(let scalar) = name { scalar.string } else { nil }
        }
    }

    /// The elements of a list; one value stands for a list of it.
    func elements() throws(CommandFailure) -> [ConfigurationNode] {
        switch node {
        case .sequence(let sequence):
            return sequence.enumerated().map { index, element in child("\(index + 1)", element, element.mark) }
        case .scalar where isNothing: return []
        case .scalar: return [self]
        case .mapping, .alias: throw failure("\(kind)", "a list")
        }
    }

    var isMapping: Bool { if case .mapping = node { true } else { false } }

    /// A text or number, as it is written.
    func text() throws(CommandFailure) -> String {
        guard case .scalar(let scalar) = node, !isNothing else { throw failure(kind, "a single value") }
        return scalar.string
    }

    /// A value, as the command line would read it.
    func value<Value>(_ transform: (String) throws -> Value) throws(CommandFailure) -> Value {
        let text = try text()
        do {
            return try transform(text)
        } catch let error as ValidationError {
            throw failure("\"\(text)\"", error.message)
        } catch {
            throw failure("\"\(text)\"", "\(error)")
        }
    }

    func boolean() throws(CommandFailure) -> Bool {
        switch try text() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        case let other: throw failure("\"\(other)\"", "true or false")
        }
    }

    private var isNothing: Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
        return scalar.string.isEmpty || scalar.string == "~" || scalar.string == "null"
    }

    private var kind: String {
        switch node {
        case .mapping: "keys and values"
        case .sequence: "a list"
        case .scalar(let scalar): isNothing ? "nothing" : "\"\(scalar.string)\""
        case .alias: "an alias"
        }
    }

    private func child(_ name: String, _ node: Node, _ mark: Mark?) -> ConfigurationNode {
        ConfigurationNode(file: file, key: key.isEmpty ? name : "\(key).\(name)", node: node, mark: mark ?? self.mark)
    }

    // MARK: What is wrong

    var line: Int { mark?.line ?? 1 }

    /// One line: where, what was found, and what is allowed.
    func failure(_ found: String, _ allowed: String) -> CommandFailure {
        let place = key.isEmpty ? "\(file):\(line)" : "\(file):\(line): \(key)"
        return CommandFailure("\(place): found \(found); allowed: \(allowed)", status: ExitStatus.usage)
    }
}
