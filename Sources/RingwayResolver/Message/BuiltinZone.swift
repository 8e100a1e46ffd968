internal import RingwayModel

/// The names that the gateway answers itself, forward and reverse.
///
///     query for a built-in name      answer
///     A, AAAA, ANY                   its addresses
///     PTR, ANY of a reverse name     the first built-in name with that address
///     SOA, NS, ANY of a zone's apex  the zone's records
///     any other type                 NOERROR without records
///     a name that does not exist     the records of `*.x` if `x` is its closest existing ancestor (RFC 4592)
///     other names of our own zones   NXDOMAIN
///     opcodes except QUERY           forwarded, as are all classes except IN and ANY
///
/// "Our own zones" are those for which this service is authoritative: the guests' domain, the reverse zones of their
/// networks, and everything below the parent of a `*`. An answer without records includes the zone's SOA, so that it
/// can be cached (RFC 2308).
struct BuiltinZone: Sendable {
    /// The TTL of answers in seconds. It is short, because a guest may move to another network.
    static let timeToLive: UInt32 = 60

    private struct Record {
        let type: UInt16
        let data: [UInt8]
        /// Whether the record is an IPv6 address in the guests' network. It is only returned to clients that can reach
        /// this network by IPv6.
        var needsIPv6 = false
    }

    private typealias Records = [Record]

    /// Indexed by lower-case wire name; `*` is an ordinary label here.
    private let recordsByName: [[UInt8]: Records]
    /// Every name that exists: the keys of `recordsByName`, and all names above them.
    private let existing: Set<[UInt8]>
    /// Apexes of the zones for which this service is authoritative, apart from the parents of a `*`.
    private let zones: Set<[UInt8]>
    /// Parents of a `*`: this service is authoritative for every name below them.
    private let wildcardParents: Set<[UInt8]>
    /// The last labels of all names in the sets above. Testing this filter first spares most queries the look-ups.
    private let lastLabels: LabelFilter
    private let authority: [UInt8]

    /// Throws `invalidName` for the first name that is invalid.
    init(_ names: [BuiltinName], own: OwnNetwork = OwnNetwork()) throws(ResolverFailure) {
        var records: [[UInt8]: Records] = [:]
        var wildcardParents: Set<[UInt8]> = []
        for builtin in names {
            guard let name = WireName.encode(builtin.name) else { throw .invalidName(builtin.name) }
            let key = WireName.lowercased(name)
            records[key, default: []] += []
            let isWildcard = key.starts(with: WireName.wildcard)
            if isWildcard { wildcardParents.insert(Array(key.dropFirst(WireName.wildcard.count))) }
            if let address = builtin.ipv4 {
                records[key]?.append(Record(type: ResourceRecord.RecordType.address, data: address.bytes))
                if !isWildcard { Self.add(pointer: WireName.reverse(address), to: name, &records) }
            }
            if let address = builtin.ipv6 {
                records[key]?.append(
                    Record(
                        type: ResourceRecord.RecordType.address6, data: address.bytes,
                        needsIPv6: own.contains(address)))
                if !isWildcard { Self.add(pointer: WireName.reverse(address), to: name, &records) }
            }
        }
        var zones = Set(own.reverseZones)
        var server: [UInt8] = [0]
        if let domain = own.domain {
            guard let apex = WireName.encode(domain) else { throw .invalidName(domain) }
            zones.insert(WireName.lowercased(apex))
            server = [7] + Array("gateway".utf8) + WireName.lowercased(apex)
        }
        authority = StartOfAuthority.data(server: server)
        for apex in zones {
            records[apex, default: []] += [
                Record(type: ResourceRecord.RecordType.startOfAuthority, data: authority),
                Record(type: ResourceRecord.RecordType.nameServer, data: server),
            ]
        }
        var existing: Set<[UInt8]> = []
        for name in records.keys {
            var next: [UInt8]? = name
            while let name = next, existing.insert(name).inserted { next = WireName.parent(of: name) }
        }
        recordsByName = records
        self.existing = existing
        self.zones = zones
        self.wildcardParents = wildcardParents
        lastLabels = LabelFilter((Array(records.keys) + zones + wildcardParents).map(WireName.lastLabel(of:)))
    }

    private static func add(pointer reverse: [UInt8], to name: [UInt8], _ records: inout [[UInt8]: Records]) {
        if records[reverse] == nil { records[reverse] = [Record(type: ResourceRecord.RecordType.pointer, data: name)] }
    }

    /// The answer. `nil` if the name is neither built in nor in a zone of this service, if the class is neither IN
    /// nor ANY, or if the opcode is not 0.
    ///
    /// - Parameter hasIPv6: whether the client can reach the guests' network by IPv6.
    func answer(to query: Query, hasIPv6: Bool = true) -> [UInt8]? {
        guard query.header.flags.operation == 0, let question = query.question,
            question.recordClass == ResourceRecord.RecordClass.internet
                || question.recordClass == ResourceRecord.RecordClass.any
        else { return nil }
        let name = WireName.lowercased(question.name)
        guard lastLabels.mayContain(WireName.lastLabel(of: name)) else { return nil }
        let found = records(of: name)
        guard found != nil || zone(of: name) != nil else { return nil }
        if let extended = query.extended, extended.version > ExtendedOptions.supportedVersion {
            return query.answer(upperResponseBits: ExtendedOptions.badVersionUpperBits)
        }
        let wanted = (found ?? []).filter { record in
            (record.type == question.type || question.type == ResourceRecord.RecordType.any)
                && (hasIPv6 || !record.needsIPv6)
        }
        guard wanted.isEmpty else {
            return query.answer(
                flags: .authoritative,
                records: wanted.map { Self.record(type: $0.type, data: $0.data, life: Self.timeToLive) })
        }
        // The SOA's owner is the zone, or the name itself if the name is in no zone. The owner is a suffix of the
        // question's name, so it is written as a compression pointer to this offset in the question.
        let start = MessageHeader.length + name.count - (zone(of: name) ?? name).count
        let isThere = found != nil || existing.contains(name)
        return query.answer(
            code: isThere ? .success : .nameError, flags: .authoritative,
            authority: [
                Self.record(
                    type: ResourceRecord.RecordType.startOfAuthority, data: authority,
                    life: StartOfAuthority.negativeTimeToLive, owner: start)
            ])
    }

    /// The records of the name itself, or those of the `*` below its closest existing ancestor.
    private func records(of name: [UInt8]) -> Records? {
        if let own = recordsByName[name] { return own }
        guard !wildcardParents.isEmpty, !existing.contains(name) else { return nil }
        var next = WireName.parent(of: name)
        while let encloser = next {
            if existing.contains(encloser) { return recordsByName[WireName.wildcard + encloser] }
            next = WireName.parent(of: encloser)
        }
        return nil
    }

    /// The apex of the zone that contains the name; `nil` if this service is not authoritative for it.
    private func zone(of name: [UInt8]) -> [UInt8]? {
        if zones.contains(name) { return name }
        var next = WireName.parent(of: name)
        while let parent = next {
            if zones.contains(parent) || wildcardParents.contains(parent) { return parent }
            next = WireName.parent(of: parent)
        }
        return nil
    }

    /// A record in wire format. Its owner is a compression pointer to the question's name or a suffix of it, so that
    /// letters keep the case of the client's query.
    private static func record(
        type: UInt16, data: [UInt8], life: UInt32, owner: Int = MessageHeader.length
    ) -> [UInt8] {
        [
            0xC0 | UInt8(truncatingIfNeeded: owner >> 8), UInt8(truncatingIfNeeded: owner),
            UInt8(type >> 8), UInt8(type & 0xFF), 0, UInt8(ResourceRecord.RecordClass.internet),
            UInt8(life >> 24), UInt8(life >> 16 & 0xFF), UInt8(life >> 8 & 0xFF), UInt8(life & 0xFF),
            UInt8(data.count >> 8), UInt8(data.count & 0xFF),
        ] + data
    }
}

extension IPv4Address {
    /// In network order.
    fileprivate var bytes: [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: rawValue >> UInt32($0)) }
    }
}

extension IPv6Address {
    /// In network order.
    fileprivate var bytes: [UInt8] {
        [high, low].flatMap { half in
            stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }
}
