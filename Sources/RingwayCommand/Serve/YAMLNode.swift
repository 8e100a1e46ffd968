/// A value of a YAML document, and its position.
struct YAMLNode {
    /// A position in the file. Lines and columns are counted from 1.
    struct Mark: Equatable {
        var line = 1
        var column = 1
    }

    struct Member {
        let key: String
        /// The position of the key.
        let mark: Mark
        let value: YAMLNode
    }

    enum Content {
        /// `isPlain` says that the text is not quoted. A plain `null`, a plain `~` or an empty plain text means no
        /// value.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file, without duplicate keys.
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

/// Why a text is not an accepted YAML document.
struct YAMLFailure: Error {
    let mark: YAMLNode.Mark
    let message: String
}
