import RingwayWire

/// A configuration file.
func fuzzYAML(_ bytes: UnsafeRawBufferPointer) {
    do throws(YAMLFailure) {
        guard let node = try YAMLReader.read(text(of: Array(bytes))) else { return }
        var values = 0
        visit(node, depth: 0, &values)
    } catch {
        precondition(error.mark.line >= 1 && !error.message.isEmpty)
    }
}

private func visit(_ node: YAMLNode, depth: Int, _ values: inout Int) {
    values += 1
    precondition(values <= YAMLReader.maximumValues + 1, "more values than there may be")
    precondition(depth <= YAMLReader.maximumDepth, "deeper than it may be")
    switch node.content {
    case .scalar(let text, _): precondition(!text.utf8.contains(0))
    case .sequence(let elements): for element in elements { visit(element, depth: depth + 1, &values) }
    case .mapping(let members):
        precondition(Set(members.map(\.key)).count == members.count, "a key is there twice")
        for member in members { visit(member.value, depth: depth + 1, &values) }
    }
}

/// A capture file.
func fuzzCapture(_ bytes: UnsafeRawBufferPointer) {
    do throws(CaptureReader.Failure) {
        var byteCount = 0
        for packet in try CaptureReader(Array(bytes)) { byteCount += packet.bytes.count }
        precondition(byteCount <= bytes.count, "more bytes than the file has")
    } catch {
        if case .malformed(let offset) = error { precondition((0...bytes.count).contains(offset)) }
    }
}
