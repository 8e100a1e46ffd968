internal import Ringway

/// Name resolution for programs in the namespace of `ringway attach`: the resolv.conf that is written for them, or
/// advice for the user.
struct AttachedNames {
    private let order: BridgeOrder
    private let written: NetnsResolver.Written?

    /// Writes the resolv.conf, if `--write-netns-resolv` requests it.
    init(_ order: BridgeOrder) throws(CommandFailure) {
        self.order = order
        guard let resolver = order.netnsResolver else {
            written = nil
            return
        }
        let host = ResolverConfiguration.hostContents(at: resolver.exists ? resolver.path : "/etc/resolv.conf")
        written = try resolver.write(ResolverConfiguration.contents(gateway: order.plan.gatewayIPv4, host: host))
    }

    /// A message for the user about name resolution; `nil` if there is nothing to report.
    ///
    /// - Parameter note: why no file could be mounted over the process's `/etc/resolv.conf`; empty if one was.
    func line(note: String) -> String? {
        let gateway = order.plan.gatewayIPv4
        switch order.origin {
        case .command, .trial: return nil
        case .process:
            if note.isEmpty {
                return "/etc/resolv.conf of its mount namespace names \(gateway) until the end; no file is written"
            }
            return "\(note), which is left alone: for names of this network it must contain nameserver \(gateway)"
        case .path(let path):
            guard let written, let resolver = order.netnsResolver else {
                return Self.advice(NetnsResolver(namespace: path), gateway)
            }
            let made = written.made.first.map { "; the directory \($0) was made for it" } ?? ""
            return "\(resolver.path) names \(gateway) until the end\(made)"
        }
    }

    private static func advice(_ resolver: NetnsResolver?, _ gateway: IPv4Address) -> String? {
        let line = "nameserver \(gateway)"
        guard let resolver else {
            return "programs in it read the /etc/resolv.conf that they find, which must contain \(line)"
        }
        if resolver.exists {
            if resolver.says(line) { return nil }
            return "\(resolver.path) does not contain \(line): --write-netns-resolv writes it until the end"
        }
        return "programs in it read the machine's /etc/resolv.conf; --write-netns-resolv gives them \(resolver.path), "
            + "which contains \(line)"
    }

    /// Restores the resolv.conf that the written one replaced (`NetnsResolver.Written.takeBack`). Returns a message for
    /// the user, if any.
    func takeBack() -> String? { written?.takeBack() }
}
