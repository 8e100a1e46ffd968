internal import RingwayControl

/// The report of `ringway status`, from a response of the control API.
struct StatusReport {
    let status: JSONValue

    /// The report for users: facts, use of the limits, and problems.
    var lines: [String] { TextTable.lines(facts) + bounds + troubles }

    /// The response, with two members added: the client's version, and whether the serving program is old.
    var json: JSONValue {
        guard case .object(var members) = status else { return status }
        members.append(.init(key: "clientVersion", value: .string(Version.text)))
        members.append(.init(key: "isOld", value: .bool(isOld)))
        return .object(members)
    }

    private var isOld: Bool { ServingProgram.isOld(version: version, process: process, isReplaced: isReplaced) }
    private var program: String { ServingProgram.text(version: version, process: process, isReplaced: isReplaced) }
    private var isReplaced: Bool? { status["programReplaced"]?.bool }
    private var version: String { status["version"]?.text ?? "?" }
    private var process: Int { status["pid"]?.int ?? 0 }

    private var facts: [[String]] {
        let network = status["network"]
        func number(_ key: String) -> String { "\(status[key]?.int ?? 0)" }
        func bytes(_ key: String) -> String { ByteText.text(status["counters"]?[key]?.int ?? 0) }
        let kind = [status["kind"]?.text, status["target"]?.text].compactMap(\.self).joined(separator: " ")
        return [
            ["network", (status["name"]?.text ?? "?") + (kind.isEmpty ? "" : " (\(kind))")],
            ["served by", program],
            ["running for", Self.duration(status["uptimeSeconds"]?.int ?? 0)],
            ["addresses", "\(network?["ipv4"]?.text ?? "?"), \(network?["ipv6"]?.text ?? "?")"],
            ["guests", number("guests") + (status["isolate"] == .bool(true) ? ", isolated" : "")],
            ["flows", number("flows")],
            ["published", "\(number("publishedPorts")) ports in \(number("forwards")) forwards"],
            ["from guests", bytes("octetsFromGuest")],
            ["to guests", bytes("octetsToGuest")],
        ] + (status["sandbox"] == nil ? [] : [["sandbox", sandbox]])
    }

    /// The mode of the sandbox, and the layers that it lacks.
    private var sandbox: String {
        let mode = status["sandbox"]?["mode"]?.text ?? "off"
        let missing = (status["sandbox"]?["missing"]?.elements ?? []).map { layer in
            "\(layer["layer"]?.text ?? "?") (\(layer["reason"]?.text ?? "?"))"
        }
        let explanation = mode == "log" ? "log: the kernel logs the system calls that it would refuse" : mode
        return missing.isEmpty ? explanation : "\(explanation), without \(missing.joined(separator: ", "))"
    }

    /// The use of each limit, one line each; empty if the network's program is too old to report it.
    private var bounds: [String] {
        let rows = (status["bounds"]?.elements ?? []).map { bound -> [String] in
            let isSize = bound["name"]?.text?.hasPrefix("bytes ") ?? false
            func number(_ key: String) -> String {
                let value = bound[key]?.int ?? 0
                return isSize ? ByteText.text(value) : "\(value)"
            }
            let holder = bound["guest"]?.text.map { "guest \($0)" } ?? bound["scope"]?.text ?? "?"
            return [
                bound["name"]?.text ?? "?", number("inUse"), number("limit"),
                "\(holder); \(bound["option"]?.text ?? "?")",
            ]
        }
        let title = ["bound", "in use", "of", "whose, and what sets it; of guests the fullest"]
        return rows.isEmpty ? [] : [""] + TextTable.lines([title] + rows)
    }

    /// The problems, one line each under their kind; empty if there are none.
    private var troubles: [String] {
        let words = ["denial": "denied", "drop": "dropped", "names": "names failed", "bound": "bounds reached"]
        var last = ""
        let rows = (status["troubles"]?.elements ?? []).map { trouble -> [String] in
            let kind = trouble["kind"]?.text ?? ""
            defer { last = kind }
            let text =
                "\(trouble["what"]?.text ?? "?") (\(trouble["counter"]?.text ?? "?")); \(trouble["hint"]?.text ?? "")"
            return [kind == last ? "" : words[kind] ?? kind, "\(trouble["count"]?.int ?? 0)", text]
        }
        return rows.isEmpty ? [] : [""] + TextTable.lines(rows)
    }

    private static func duration(_ seconds: Int) -> String {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(seconds / 3_600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return seconds >= 86_400 ? "\(seconds / 86_400) d \(clock)" : clock
    }
}

/// Comparison of versions.
enum VersionOrder {
    /// Compares number by number; a version with a suffix, such as 1.0-rc1, is older than the same without one.
    static func isOlder(_ first: String, than second: String) -> Bool {
        let (one, other) = (parts(first), parts(second))
        for index in 0..<max(one.numbers.count, other.numbers.count) {
            let left = index < one.numbers.count ? one.numbers[index] : 0
            let right = index < other.numbers.count ? other.numbers[index] : 0
            if left != right { return left < right }
        }
        guard one.rest != other.rest else { return false }
        if one.rest.isEmpty || other.rest.isEmpty { return other.rest.isEmpty }
        return one.rest < other.rest
    }

    private static func parts(_ version: String) -> (numbers: [Int], rest: Substring) {
        let end = version.firstIndex { !$0.isASCII || !($0.isNumber || $0 == ".") } ?? version.endIndex
        return (version[..<end].split(separator: ".").map { Int($0) ?? .max }, version[end...])
    }
}
