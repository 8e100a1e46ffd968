import RingwayModel

@testable import RingwayResolver

/// A zone with every kind of record.
nonisolated(unsafe) private let zone: BuiltinZone = {
    let names = [
        BuiltinName(name: "host.ringway.internal", ipv4: IPv4Address(192, 168, 127, 254)),
        BuiltinName(
            name: "gateway.ringway.internal", ipv4: IPv4Address(192, 168, 127, 1),
            ipv6: IPv6Address(high: 0xFD00 << 48, low: 1)),
        BuiltinName(name: "*.x", ipv4: IPv4Address(192, 168, 127, 9)), BuiltinName(name: "a.b.c.d.e.f"),
    ]
    guard let block = CIDRBlock("192.168.127.0/24"), let other = CIDRBlock("fd00::/64"),
        let zone = try? BuiltinZone(names, own: OwnNetwork(domain: "ringway.internal", blocks: [block, other]))
    else { preconditionFailure("the zone is a zone") }
    return zone
}()

/// A guest's query, and the gateway's own answers.
func fuzzNames(_ bytes: UnsafeRawBufferPointer) {
    let message = Array(bytes)
    guard let query = Query(message) else { return }
    for hasIPv6 in [false, true] {
        guard let answer = zone.answer(to: query, hasIPv6: hasIPv6) else { continue }
        check(answer, to: query)
    }
    check(query.failure(), to: query)
    _ = query.requestsTransfer
    precondition(query.withIdentifier(7).count == message.count)
}

/// The client must be able to parse the answer, as one to its query; also when truncated.
private func check(_ answer: [UInt8], to query: Query) {
    precondition(query.isAnswered(by: answer, identifier: query.header.identifier), "the answer is another query's")
    guard let header = MessageHeader(answer) else { preconditionFailure("an answer without a header") }
    var reader = MessageReader(answer, at: MessageHeader.length)
    precondition(reader.skipQuestions(header.questionCount), "the question of the answer cannot be read")
    for _ in 0..<Int(header.answerCount) + Int(header.authorityCount) + Int(header.additionalCount) {
        precondition(reader.readRecord() != nil, "a record of the answer cannot be read")
    }
    precondition(reader.offset == answer.count, "the answer goes on behind its records")
    let limit = query.largestDatagram
    let short = Truncation.fit(answer, into: limit)
    precondition(short.count <= max(limit, Query.smallestDatagram), "an answer of \(short.count) for \(limit)")
}

/// Answers of a nameserver of the host, over TCP and UDP: anything.
func fuzzNameservers(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    guard let query = Query(input.take(Int(input.byte()))) else { return }
    var assembler = FrameAssembler()
    let cuts = Int(input.byte())
    while !input.isEmpty {
        let piece = input.take(1 + cuts)
        piece.withUnsafeBytes { assembler.append($0) }
        while let message = assembler.next() {
            if query.isAnswered(by: message, identifier: query.header.identifier) { fuzzSink &+= 1 }
            for limit in [12, 512, query.largestDatagram] {
                let short = Truncation.fit(message, into: limit)
                precondition(short.count <= max(limit, message.count), "what was cut has grown")
                if let header = MessageHeader(message) {
                    precondition(MessageHeader(short)?.identifier == header.identifier)
                }
            }
        }
        precondition(assembler.waiting <= 65_536 + cuts, "bytes pile up")
    }
}

/// The host's resolv.conf, which a guest's image or a VPN may have written.
func fuzzResolvConf(_ bytes: UnsafeRawBufferPointer) {
    let configuration = ResolvConf(parsing: Array(bytes), port: 53)
    precondition((1...ResolvConf.mostServers).contains(configuration.servers.count))
    precondition((1...30).contains(configuration.timeout) && (1...5).contains(configuration.attempts))
    precondition(configuration.search.count <= ResolvConf.mostDomains)
    for domain in configuration.search { precondition(WireName.encode(domain) != nil, "\(domain) is no domain") }
}
