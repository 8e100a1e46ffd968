/// Whom to ask, and how. A query keeps the value it started with, so a change never disturbs one that is on its way.
struct Upstreams: Equatable, Sendable {
    var servers: [Nameserver]
    /// In nanoseconds.
    var timeout: UInt64
    var attempts: Int
    var rotates = false
    var usesStreams = false

    /// The nameservers that were given, with what the limits say or glibc's defaults.
    init(servers: [Nameserver], limits: Resolver.Limits) {
        self.servers = servers
        timeout = (limits.timeout ?? .seconds(5)).nanoseconds
        attempts = max(1, limits.attempts ?? 2)
    }

    /// What the file says, except where the limits overrule it.
    init(_ conf: ResolvConf, limits: Resolver.Limits) {
        servers = conf.servers
        timeout = (limits.timeout ?? .seconds(conf.timeout)).nanoseconds
        attempts = max(1, limits.attempts ?? conf.attempts)
        rotates = conf.rotates
        usesStreams = conf.usesStreams
    }
}
