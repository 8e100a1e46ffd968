/// A value of a YAML document, and where it starts.
struct YAMLNode {
    /// A place in the file; both count from 1.
    struct Mark: Equatable {
        var line = 1
        var column = 1
    }

    struct Member {
        let key: String
        /// Where the key stands.
        let mark: Mark
        let value: YAMLNode
    }

    enum Content {
        /// Plain text has no quotes: `null`, `~` and nothing at all stand for no value there.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file; no key is there twice.
        case mapping([Member])
    }

    let mark: Mark
    let content: Content

    /// Whether no value is given.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return text.isEmpty || text == "~" || text == "null"
    }
}

/// Why a text is no YAML document that we read.
struct YAMLFailure: Error {
    let mark: YAMLNode.Mark
    let message: String
}
