internal import Ringway

/// A counter of dropped packets, refused requests or failures, with an explanation and a remedy. It is reported if it
/// is above zero.
struct Trouble: Sendable, Equatable {
    /// What a counter counts.
    enum Kind: String, Sendable {
        /// Frames and packets that were dropped.
        case drop
        /// Traffic and requests that the network's policy refused.
        case denial
        /// Name resolution that failed.
        case names
        /// A limit that was reached.
        case bound
    }

    let kind: Kind
    /// The counter's name in statistics.
    let counter: String
    /// What the counter counts.
    let what: String
    /// What to change, or where to look for the cause.
    let hint: String
    /// The option that raises the limit, if there is one.
    var option: String?

    private init(_ kind: Kind, _ counter: String, _ what: String, _ hint: String) {
        self.kind = kind
        self.counter = counter
        self.what = what
        self.hint = hint
    }

    private init(boundBy option: String, _ counter: String, _ what: String) {
        self.init(.bound, counter, what, "\(option) raises the bound")
        self.option = option
    }

    /// The rows whose counters are above zero, with the counts. Drops that the table lacks are included.
    static func all(in counters: [(name: String, value: Int)]) -> [(trouble: Trouble, count: Int)] {
        var counts: [String: Int] = [:]
        for (name, value) in counters { counts[name] = value }
        let others = counters.filter { isDrop($0.name) && !names.contains($0.name) }.map { unnamed($0.name) }
        // Drops that the table does not explain come after its last drop, so that rows of a kind are adjacent.
        let end = (table.lastIndex { $0.kind == .drop } ?? 0) + 1
        var rows: [(trouble: Trouble, count: Int)] = []
        for trouble in Array(table[..<end]) + others + Array(table[end...]) {
            guard let count = counts[trouble.counter], count > 0 else { continue }
            rows.append((trouble: trouble, count: count))
        }
        return rows
    }

    /// Whether a counter counts drops, by its name.
    private static func isDrop(_ counter: String) -> Bool {
        counter.hasPrefix("dropped") || counter.hasPrefix("refused.") || counter.hasPrefix("dns.dropped")
    }

    private static let names = Set(table.map(\.counter))

    /// A row for a drop that the table does not explain.
    private static func unnamed(_ counter: String) -> Trouble {
        guard counter.hasPrefix("refused.") else { return Trouble(.drop, counter, "frames or messages", capture) }
        return Trouble(.drop, counter, "malformed frames from guests: \(counter.dropFirst(8))", capture)
    }

    private static let capture = "a capture shows them"
    private static let usual = "usual, unless there are many"

    static let table: [Trouble] = [
        Trouble(
            .denial, "droppedPolicy", "packets to where guests may not go",
            "--allow CIDR lets them; --deny, --no-host, --no-host-loopback and link-local addresses refuse"),
        Trouble(
            .denial, "droppedRefusedSender", "datagrams from where guests may not go",
            "--allow CIDR lets them; --deny, --no-host, --no-host-loopback and link-local addresses refuse"),
        Trouble(
            .drop, "droppedUnsolicited", "datagrams from where the guest has not sent anything",
            "usual; --udp-filtering lets more in"),
        Trouble(
            .denial, "agentPortsRefused", "ports of the host that agents may not publish",
            "--agent-publish lets agents have some"),
        Trouble(
            .drop, "droppedForeignDestination", "packets to where no packet can go, such as multicast groups", usual),
        Trouble(
            .drop, "droppedSpoofedSource", "frames from IP addresses that are not their guest's",
            "what a guest routes or bridges is dropped; --max-addresses bounds its IPv6 addresses"),
        Trouble(
            .drop, "droppedSpoofedMAC", "frames from ethernet addresses that are not their guest's",
            "what a guest bridges is dropped"),
        Trouble(.drop, "droppedUnexpectedSegment", "TCP segments of connections that have ended", usual),
        Trouble(.drop, "droppedService", "requests to the gateway that need no answer, or are malformed", usual),
        Trouble(.drop, "droppedUnsupported", "packets of protocols that are not carried", "TCP, UDP and ICMP are"),
        Trouble(.drop, "droppedErrorRateLimit", "ICMP errors beyond the rate that routers keep", usual),
        Trouble(
            .drop, "droppedFragment", "datagrams whose fragments did not all come, or came too late",
            "a lossy or slow path; --max-fragments bounds those that wait"),
        Trouble(.drop, "handOverRefused", "frames for a shard that is behind", "fewer or more --shards"),
        Trouble(.drop, "linkWritesDropped", "frames to guests that do not read", "the guest is slow or stopped"),
        Trouble(.drop, "linkWritesFailed", "frames that a guest's link did not take", "\"ringway events\""),
        Trouble(.drop, "linkWritesRefused", "frames too long for a guest's link", "compare --mtu with the guest's"),
        Trouble(.drop, "linkFramesTruncated", "frames longer than a buffer", "compare --mtu with the guest's"),
        Trouble(
            .drop, "linkLengthsRefused", "frames of an impossible length", "does the link speak the right protocol?"),
        Trouble(.drop, "udpSendFailed", "datagrams that the host did not send", "routes and firewall of the host"),
        Trouble(.drop, "neighborsUnknown", "frames to guests that are not there", usual),
        Trouble(
            .drop, "neighborFramesRefused", "DHCP replies, router advertisements and redirects to other guests", capture
        ),
        Trouble(
            .drop, "neighborFragmentsRefused", "fragments to other guests that may contain these", capture),
        Trouble(
            .drop, "neighborProbesRefused", "probes for addresses that are not the guest's",
            "it attacks its neighbours, or has another's address; --max-addresses bounds those of IPv6"),
        Trouble(
            .drop, "addressesRevoked", "IPv6 addresses that guests lost to machines that connected later", capture),
        Trouble(.drop, "neighborInboxFull", "frames to guests that are behind", "the guest is slow or stopped"),
        Trouble(
            .drop, "captureFramesDropped", "frames that are not in the capture",
            "its disk is full or slow: \"ringway events\" says which"),
        Trouble(
            .drop, "forwardsRefused", "clients of published ports that were reset", "\"ringway publish ls\""),
        Trouble(.drop, "floodsRefused", "broadcasts beyond the rate of a guest", usual),
        Trouble(.drop, "neighborsThrottled", "frames between guests beyond the rate of a guest", usual),
        Trouble(.drop, "routerSolicitationsRefused", "router solicitations beyond the rate of a guest", usual),

        Trouble(
            .names, "dns.serverFailures", "queries that no nameserver answered",
            "the nameservers of --dns or /etc/resolv.conf do not answer"),
        Trouble(
            .names, "dnsUnanswered", "queries of guests that were not answered in time",
            "--dns-timeout says how long they may take"),
        Trouble(.names, "dns.timeouts", "attempts at a nameserver that did not answer in time", "try another --dns"),
        Trouble(.names, "dns.unreachable", "attempts at a nameserver that could not be reached", "try another --dns"),
        Trouble(
            .names, "dns.mismatchedAnswers", "answers to other questions than were asked",
            "a nameserver is broken, or a host forges its answers"),
        Trouble(
            .names, "dns.denied", "queries that were refused", "--deny covers all destinations, and so also names"),
        Trouble(.names, "dns.droppedMalformed", "malformed queries", capture),
        Trouble(.names, "dns.droppedClientFull", "answers that could not be taken in time", usual),
        Trouble(.names, "dns.droppedClientGone", "answers to clients that had gone", usual),

        Trouble(boundBy: "--max-flows", "droppedTableFull", "new flows that were dropped"),
        Trouble(boundBy: "--max-half-open", "tcpHalfOpenEvicted", "connects that ended before their time"),
        Trouble(boundBy: "--max-udp-mappings", "udpMappingsEvicted", "UDP mappings that ended before their time"),
        Trouble(boundBy: "--max-udp-peers", "udpPeersEvicted", "peers of UDP mappings that were forgotten"),
        Trouble(boundBy: "--max-ping-mappings", "pingMappingsEvicted", "ping mappings that ended before their time"),
        Trouble(boundBy: "--max-name-queries", "dnsRefused", "DNS queries that were dropped"),
        Trouble(boundBy: "--max-name-queries", "dns.refusedOutstanding", "DNS queries that were refused"),
        Trouble(
            boundBy: "--max-name-queries", "dns.displaced", "DNS queries that failed because a guest with fewer asked"),
        Trouble(
            boundBy: "--max-spliced", "splicedBeyondLimit",
            "local clients that took the interface, and an agent's that were reset"),
        Trouble(boundBy: "--pool-size", "droppedNoBuffer", "frames to guests without a buffer"),
        Trouble(boundBy: "--pool-size", "linkReadsStarved", "times that reading from a guest had to wait"),
        Trouble(boundBy: "--pool-size", "receivesStarved", "times that reading from the host had to wait"),
        Trouble(boundBy: "--reorder-size", "tcpOutOfOrderDropped", "segments out of order that were dropped"),
        Trouble(boundBy: "--max-agent-ports", "agentPortsBeyondLimit", "ports of the host that agents were refused"),
        Trouble(boundBy: "--max-guests", "guestsRefused", "guests that were refused"),
        Trouble(boundBy: "--max-queues", "queuesRefused", "queues of guests that their agents do without"),
        Trouble(.bound, "descriptorsExhausted", "flows without a descriptor", "raise ulimit -Hn or LimitNOFILE"),
        Trouble(
            .bound, "flowsGivenBack", "idle flows that ended for those of other guests",
            "raise ulimit -Hn or LimitNOFILE"),
        Trouble(.bound, "dns.lackedDescriptors", "queries without a descriptor", "raise ulimit -Hn or LimitNOFILE"),
        Trouble(
            .bound, "splicedPipesExhausted", "local clients without a pipe",
            "sysctl fs.pipe-user-pages-soft bounds them"),
        Trouble(.bound, "dns.streamsRefused", "DNS connections of guests that were closed", "too many at a time"),
        Trouble(
            .bound, "dns.streamsDisplaced", "DNS connections closed because a guest with fewer came",
            "one guest has most of them"),
        Trouble(.bound, "dns.streamsOverflowed", "DNS connections whose guest did not read", "the guest is slow"),
        Trouble(.bound, "dns.upstreamStreamsRefused", "DNS connections that were not opened", "too many at a time"),
    ]
}

extension JSONWriter {
    /// Writes each row with its count.
    mutating func members(ofTroubles statistics: Statistics) {
        member("troubles", Trouble.all(in: statistics.counters)) { $0.trouble($1.trouble, $1.count) }
    }

    mutating func trouble(_ trouble: Trouble, _ count: Int) {
        object { writer in
            writer.member("kind", trouble.kind.rawValue)
            writer.member("counter", trouble.counter)
            writer.member("count", count)
            writer.member("what", trouble.what)
            writer.member("hint", trouble.hint)
            writer.member("option", trouble.option)
        }
    }
}
