internal import RingwayWire

/// The names the gateway answers for itself, forwards and backwards.
///
///     query for a built-in name      answer
///     A, AAAA, ANY                   its addresses
///     PTR, ANY of a reverse name     the first built-in name with that address
///     any other type                 NOERROR without records
///     class other than IN and ANY    not ours: forwarded
struct BuiltinZone: Sendable {
    /// How long a client may keep an answer. Short, because a guest can be moved to another network.
    static let timeToLive: UInt32 = 60

    /// The records of one name: wire type and data.
    private typealias Records = [(type: UInt16, data: [UInt8])]

    /// By lower-case wire name.
    private let recordsByName: [[UInt8]: Records]

    /// Throws the first name that is not a domain name.
    init(_ names: [BuiltinName]) throws(ResolverFailure) {
        var records: [[UInt8]: Records] = [:]
        for builtin in names {
            guard let name = WireName.encode(builtin.name) else { throw .invalidName(builtin.name) }
            let key = WireName.lowercased(name)
            records[key, default: []] += []
            if let address = builtin.ipv4 {
                records[key]?.append((ResourceRecord.RecordType.address, address.octets))
                records[WireName.reverse(address)] =
                    records[WireName.reverse(address)] ?? [(ResourceRecord.RecordType.pointer, name)]
            }
            if let address = builtin.ipv6 {
                records[key]?.append((ResourceRecord.RecordType.address6, address.octets))
                records[WireName.reverse(address)] =
                    records[WireName.reverse(address)] ?? [(ResourceRecord.RecordType.pointer, name)]
            }
        }
        recordsByName = records
    }

    /// The answer, or `nil` when the query is not about a built-in name.
    func answer(to query: Query) -> [UInt8]? {
        guard query.header.flags.operation == 0, let question = query.question,
            question.recordClass == ResourceRecord.RecordClass.internet
                || question.recordClass == ResourceRecord.RecordClass.any,
            let records = recordsByName[WireName.lowercased(question.name)]
        else { return nil }
        if let extended = query.extended, extended.version > ExtendedOptions.supportedVersion {
            return query.answer(upperResponseBits: ExtendedOptions.badVersionUpperBits)
        }
        let wanted = records.filter { $0.type == question.type || question.type == ResourceRecord.RecordType.any }
        return query.answer(
            flags: .authoritative, records: wanted.map { Self.record(type: $0.type, data: $0.data) })
    }

    /// A record whose owner is the question's name, by a pointer to it: so its case is the client's own.
    private static func record(type: UInt16, data: [UInt8]) -> [UInt8] {
        let life = timeToLive
        return [
            0xC0, UInt8(MessageHeader.length), UInt8(type >> 8), UInt8(type & 0xFF),
            0, UInt8(ResourceRecord.RecordClass.internet),
            UInt8(life >> 24), UInt8(life >> 16 & 0xFF), UInt8(life >> 8 & 0xFF), UInt8(life & 0xFF),
            UInt8(data.count >> 8), UInt8(data.count & 0xFF),
        ] + data
    }
}

extension IPv4Address {
    /// In network order.
    fileprivate var octets: [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: rawValue >> UInt32($0)) }
    }
}

extension IPv6Address {
    /// In network order.
    fileprivate var octets: [UInt8] {
        [high, low].flatMap { half in
            stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }
}
