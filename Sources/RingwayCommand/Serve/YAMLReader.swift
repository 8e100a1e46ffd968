internal import CYAML

/// Reads one YAML document, which may be JSON, with libyaml's event parser.
///
/// The text is untrusted. Its nesting depth and its number of values are limited. The value that an alias stands for
/// counts again for each alias. Ambiguous constructs (duplicate keys, tags, a second document) are refused.
struct YAMLReader {
    /// The deepest nesting of lists and mappings, including those that aliases stand for.
    static let maximumDepth = 32
    /// The most values in a document, including expanded aliases.
    static let maximumValues = 1 << 18

    /// A list or mapping whose end has not been reached.
    private struct Open {
        let mark: YAMLNode.Mark
        let anchor: String?
        let isMapping: Bool
        var elements: [YAMLNode] = []
        var members: [YAMLNode.Member] = []
        var keyMarks: [String: YAMLNode.Mark] = [:]
        /// The key of the next value.
        var key: (text: String, mark: YAMLNode.Mark)?
        var values = 1
        /// The deepest nesting of the lists and mappings inside.
        var depth = 0

        var node: YAMLNode {
            YAMLNode(mark: mark, content: isMapping ? .mapping(members) : .sequence(elements))
        }
    }

    private var open: [Open] = []
    /// The value of each anchor, and the number of values in it and their nesting, including expanded aliases.
    private var anchors: [String: (node: YAMLNode, values: Int, depth: Int)] = [:]
    private var root: YAMLNode?
    private var hasDocument = false

    private init() {}

    /// The document in a text; `nil` if it is empty.
    static func read(_ text: String) throws(YAMLFailure) -> YAMLNode? {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBufferPointer { (bytes) throws(YAMLFailure) in
            // libyaml stores the address of its parser in the parser, so the parser must not move.
            let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
            defer { parser.deallocate() }
            guard yaml_parser_initialize(parser) == 1 else {
                throw YAMLFailure(mark: .init(), message: "there is not enough memory to read it")
            }
            defer { yaml_parser_delete(parser) }
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
            var reader = YAMLReader()
            while try reader.takeEvent(of: parser, in: bytes) {}
            return reader.root
        }
    }

    /// Handles the next event; returns whether there are more.
    private mutating func takeEvent(
        of parser: UnsafeMutablePointer<yaml_parser_t>, in bytes: UnsafeBufferPointer<UInt8>
    ) throws(YAMLFailure) -> Bool {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw Self.failure(of: parser.pointee, in: bytes) }
        defer { yaml_event_delete(&event) }
        let mark = Self.mark(event.start_mark)
        switch event.type {
        case YAML_STREAM_END_EVENT: return false
        case YAML_DOCUMENT_START_EVENT:
            guard !hasDocument else {
                throw YAMLFailure(mark: mark, message: "a second document starts here; keep one in the file")
            }
            hasDocument = true
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(tag: scalar.tag, at: mark)
            let text = String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            guard !text.utf8.contains(0) else {
                throw YAMLFailure(mark: mark, message: "there is a zero byte in this text; remove it")
            }
            let node = YAMLNode(
                mark: mark, content: .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE))
            try add(node, values: 1, depth: 0, anchor: Self.text(scalar.anchor), at: mark)
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            try refuse(tag: start.tag, at: mark)
            try begin(Open(mark: mark, anchor: Self.text(start.anchor), isMapping: false))
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            try refuse(tag: start.tag, at: mark)
            try begin(Open(mark: mark, anchor: Self.text(start.anchor), isMapping: true))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            guard let ended = open.popLast() else { return true }
            try add(
                ended.node, values: ended.values, depth: ended.depth + 1, anchor: ended.anchor, at: ended.mark)
        case YAML_ALIAS_EVENT:
            let name = Self.text(event.data.alias.anchor) ?? ""
            guard let named = anchors[name] else {
                throw YAMLFailure(mark: mark, message: "no value before this place is named \"&\(name)\"")
            }
            guard open.count + named.depth <= Self.maximumDepth else { throw Self.tooDeep(at: mark) }
            try add(named.node, values: named.values, depth: named.depth, anchor: nil, at: mark)
        default: break
        }
        return true
    }

    // MARK: Values

    private mutating func begin(_ started: Open) throws(YAMLFailure) {
        guard open.count < Self.maximumDepth else { throw Self.tooDeep(at: started.mark) }
        open.append(started)
    }

    private static func tooDeep(at mark: YAMLNode.Mark) -> YAMLFailure {
        YAMLFailure(mark: mark, message: "lists and keys are more than \(maximumDepth) deep here")
    }

    /// Adds a complete value to the enclosing list or mapping. The value counts as `count` values, and has `depth`
    /// levels of lists and mappings, itself included.
    private mutating func add(
        _ node: YAMLNode, values count: Int, depth: Int, anchor: String?, at mark: YAMLNode.Mark
    ) throws(YAMLFailure) {
        if let anchor { anchors[anchor] = (node, count, depth) }
        guard var around = open.popLast() else {
            root = node
            return
        }
        around.values += count
        around.depth = max(around.depth, depth)
        guard around.values <= Self.maximumValues else {
            throw YAMLFailure(
                mark: mark,
                message: "there are more than \(Self.maximumValues) values here; what aliases stand for counts too")
        }
        if !around.isMapping {
            around.elements.append(node)
        } else if let key = around.key {
            around.members.append(YAMLNode.Member(key: key.text, mark: key.mark, value: node))
            around.key = nil
        } else {
            around.key = (try key(node, at: mark, after: around.keyMarks), mark)
            around.keyMarks[around.key?.text ?? ""] = mark
        }
        open.append(around)
    }

    /// The text of a key. Throws if the key is a list, a mapping or the merge key `<<`, or if the mapping has it
    /// already.
    private func key(
        _ node: YAMLNode, at mark: YAMLNode.Mark, after others: [String: YAMLNode.Mark]
    ) throws(YAMLFailure) -> String {
        guard case .scalar(let text, let isPlain) = node.content else {
            throw YAMLFailure(mark: mark, message: "a key is a list or has keys itself; keys are plain text")
        }
        guard !isPlain || text != "<<" else {
            throw YAMLFailure(mark: mark, message: "keys cannot be merged by \"<<\"; write them out")
        }
        if let first = others[text] {
            throw YAMLFailure(
                mark: mark, message: "the key \"\(text)\" is there twice, first in line \(first.line); remove one")
        }
        return text
    }

    private func refuse(tag: UnsafeMutablePointer<yaml_char_t>?, at mark: YAMLNode.Mark) throws(YAMLFailure) {
        guard let tag = Self.text(tag) else { return }
        throw YAMLFailure(mark: mark, message: "the tag \"\(tag)\" means nothing here; remove it")
    }

    // MARK: From C

    private static func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        bytes.map { String(cString: $0) }
    }

    private static func mark(_ mark: yaml_mark_t) -> YAMLNode.Mark {
        YAMLNode.Mark(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    /// An error of the parser.
    private static func failure(of parser: yaml_parser_t, in bytes: UnsafeBufferPointer<UInt8>) -> YAMLFailure {
        let problem = parser.problem.map { String(cString: $0) } ?? "there is not enough memory to read it"
        switch parser.error {
        case YAML_SCANNER_ERROR, YAML_PARSER_ERROR:
            var message = "this is neither YAML nor JSON: "
            if let context = parser.context {
                message += "\(String(cString: context)) (line \(mark(parser.context_mark).line)): "
            }
            message += problem
            if isTab(at: parser.problem_mark, in: bytes) { message += "; indent with spaces, not with tabs" }
            return YAMLFailure(mark: mark(parser.problem_mark), message: message)
        case YAML_READER_ERROR:
            let before = bytes.prefix(min(parser.problem_offset, bytes.count))
            let line = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            return YAMLFailure(
                mark: YAMLNode.Mark(line: line.count, column: (line.last?.count ?? 0) + 1),
                message: "this is neither YAML nor JSON: \(problem)")
        default: return YAMLFailure(mark: mark(parser.mark), message: problem)
        }
    }

    private static func isTab(at mark: yaml_mark_t, in bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard Int(mark.line) < lines.count else { return false }
        return lines[Int(mark.line)].dropFirst(Int(mark.column)).first == UInt8(ascii: "\t")
    }
}
