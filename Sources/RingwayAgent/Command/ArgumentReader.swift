/// Why a command line is invalid.
struct UsageFailure: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Parses a command line: `--option value` and `--option=value`, and the same with one dash.
struct ArgumentReader {
    private var arguments: ArraySlice<String>
    /// The value after an option's equals sign.
    private var attached: String?

    init(_ arguments: [String]) { self.arguments = arguments[...] }

    /// Returns the next option's name, or the next argument if that is not an option; `nil` at the end.
    mutating func nextOption() -> String? {
        attached = nil
        guard let argument = arguments.popFirst() else { return nil }
        guard argument.hasPrefix("-"), let sign = argument.firstIndex(of: "=") else { return argument }
        attached = String(argument[argument.index(after: sign)...])
        return String(argument[..<sign])
    }

    mutating func value(of option: String) throws(UsageFailure) -> String {
        if let attached {
            self.attached = nil
            return attached
        }
        guard let value = arguments.popFirst() else { throw UsageFailure("\(option) needs a value") }
        return value
    }

    /// Takes the value after the option's equals sign, if there is one.
    mutating func attachedValue() -> String? { attached.take() }

    mutating func integer(of option: String, in range: ClosedRange<Int>) throws(UsageFailure) -> Int {
        let text = try value(of: option)
        guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let value = Int(text), range.contains(value) else {
            throw UsageFailure(
                "\(option) \"\(text)\": it must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}
