/// The nameservers, search domains and some options of `resolv.conf(5)`. All else is ignored: `sortlist`, for
/// example, only concerns the client.
struct ResolvConf: Equatable, Sendable {
    /// The most nameservers that are read. This is more than glibc's three, because some network managers list more.
    static let mostServers = 8

    /// In the file's order; never empty.
    private(set) var servers: [Nameserver] = []

    /// Limits of the search list, in domains and in bytes. Both exceed what fits into the options of DHCP and router
    /// advertisements.
    static let mostDomains = 32
    static let mostDomainBytes = 1_024

    /// The valid domains of the last `search` or `domain` line.
    private(set) var search: [String] = []

    /// `options timeout:`, in seconds: 1 to 30.
    private(set) var timeout = 5

    /// `options attempts:`: 1 to 5.
    private(set) var attempts = 2

    /// `options rotate`: start with a different server for each query.
    private(set) var rotates = false

    /// `options use-vc`: use TCP only.
    private(set) var usesStreams = false

    /// Parses a file's contents. Invalid lines are skipped, as by glibc; without a valid `nameserver` line the server
    /// is the local machine.
    init(parsing contents: [UInt8], port: UInt16) {
        for line in contents.split(separator: UInt8(ascii: "\n")) {
            // A keyword starts in the first column, so a comment character there comments out the line.
            guard let first = line.first, !Self.isSpace(first) else { continue }
            let words = line.split(whereSeparator: Self.isSpace).map { String(decoding: $0, as: UTF8.self) }
            switch words.first {
            case "nameserver":
                guard words.count >= 2, servers.count < Self.mostServers else { continue }
                if let server = Nameserver(words[1], port: port) { servers.append(server) }
            case "search":
                setSearch(words.dropFirst())
            case "domain":
                setSearch(words.dropFirst().prefix(1))
            case "options":
                for option in words.dropFirst() { apply(option) }
            default:
                continue
            }
        }
        if servers.isEmpty, let local = Nameserver("127.0.0.1", port: port) { servers = [local] }
    }

    private mutating func setSearch(_ words: some Sequence<String>) {
        search = []
        var bytes = 0
        for word in words {
            // Skips the root, by which some tools mean "none", and invalid names.
            guard search.count < Self.mostDomains, let name = WireName.encode(word) else { continue }
            bytes += name.count
            if bytes > Self.mostDomainBytes { break }
            search.append(word)
        }
    }

    private mutating func apply(_ option: String) {
        if let value = Self.number(in: option, after: "timeout:") { timeout = min(max(value, 1), 30) }
        if let value = Self.number(in: option, after: "attempts:") { attempts = min(max(value, 1), 5) }
        if option == "rotate" { rotates = true }
        if option == "use-vc" { usesStreams = true }
    }

    private static func number(in option: String, after key: String) -> Int? {
        option.hasPrefix(key) ? Int(option.dropFirst(key.count)) : nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}
