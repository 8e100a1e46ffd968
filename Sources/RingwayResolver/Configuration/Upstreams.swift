/// The nameservers to use, and their timeouts. A query keeps the value with which it started, so a change does not
/// affect it.
struct Upstreams: Equatable, Sendable {
    var servers: [Nameserver]
    /// The timeout of the last attempt, in nanoseconds.
    var timeout: UInt64
    var attempts: Int
    var rotates = false
    var usesStreams = false

    /// Configured nameservers, with timeouts from the limits or glibc's defaults.
    init(servers: [Nameserver], limits: Resolver.Limits) {
        self.servers = servers
        timeout = (limits.timeout ?? .seconds(5)).nanoseconds
        attempts = max(1, limits.attempts ?? 2)
    }

    /// The file's nameservers, with timeout and attempts from the limits or, where those are `nil`, from the file.
    init(_ conf: ResolvConf, limits: Resolver.Limits) {
        servers = conf.servers
        timeout = (limits.timeout ?? .seconds(conf.timeout)).nanoseconds
        attempts = max(1, limits.attempts ?? conf.attempts)
        rotates = conf.rotates
        usesStreams = conf.usesStreams
    }
}
