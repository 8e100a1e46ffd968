internal import Glibc
internal import RingwayEngine
internal import RingwayModel
internal import Synchronization

/// Explains why a port could not be opened.
enum PortHolder {
    static func kind(of error: Int32) -> VirtualNetwork.Failure.Kind {
        switch error {
        case EADDRINUSE: .portInUse
        case EACCES, EPERM: .notPermitted
        case EADDRNOTAVAIL, EAFNOSUPPORT: .addressMissing
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: .exhausted
        default: .other
        }
    }

    /// One line for users: what failed, why, and the remedy.
    ///
    /// - Parameter holder: the forward of this network that holds the port; `nil` to look for another process.
    static func explain(
        _ error: Int32, _ address: IPAddress?, _ port: UInt16, _ transport: PortForward.Transport,
        holder: String? = nil
    ) -> String {
        let place =
            address.map { "\(TransportAddress(address: $0, port: port))" } ?? "0.0.0.0:\(port) and [::]:\(port)"
        let beginning = "cannot publish \(place)/\(transport.rawValue): "
        switch error {
        case EADDRINUSE:
            let found = holder ?? HostSocketTable.holder(of: port, transport)
            return beginning + "the port is in use" + (found.map { ", held by \($0)" } ?? "")
        case EACCES:
            let least = lines(of: "/proc/sys/net/ipv4/ip_unprivileged_port_start").first.flatMap { UInt16($0) } ?? 1_024
            return beginning + "ports below \(least) need privilege; choose a higher one, or, as root, "
                + "\"sysctl net.ipv4.ip_unprivileged_port_start=\(port)\" for every program of the machine, or "
                + "\"setcap cap_net_bind_service=ep \(HostSocketTable.link("/proc/self/exe") ?? "PROGRAM")\" for this one"
        case EADDRNOTAVAIL: return beginning + "this host does not have that address"
        case EMFILE, ENFILE: return beginning + "no descriptor is left; raise the limit (ulimit -n)"
        default: return beginning + String(cString: strerror(error))
        }
    }

    private static func lines(of path: String) -> [String] { HostSocketTable.lines(of: path) }
}

extension VirtualNetwork {
    /// Why the ports of one of the records could not be opened.
    func failure(_ error: HostListenFailure, _ records: [ForwardRecord]) -> Failure {
        guard let port = (records.first { $0.port.id == error.forward } ?? records.first)?.port else {
            return Failure(String(cString: strerror(error.errno)), PortHolder.kind(of: error.errno))
        }
        let forward = port.forward
        let holder = error.isInUse ? ownHolder(of: error.port, forward, except: port.id) : nil
        return Failure(
            PortHolder.explain(error.errno, forward.hostAddress, error.port, forward.transport, holder: holder),
            PortHolder.kind(of: error.errno))
    }

    /// Describes the forward of this network that already holds a port which another forward needs; `nil` if there is
    /// none.
    private func ownHolder(of port: UInt16, _ forward: PortForward, except number: PublishedPort.ID) -> String? {
        var wanted = forward
        wanted.hostPorts = port...port
        let (ports, places) = state.withLock { ($0.forwards.values.map(\.port), $0.agentPlaces.all) }
        if let other = ports.first(where: { $0.id != number && $0.problem == nil && $0.forward.overlaps(wanted) }) {
            let use = other.guest == nil ? ", which waits for \(other.forward.guest.words)" : ""
            return "this network's own forward \(other.id), \(other.forward)\(use)"
        }
        let place = places.first { place in
            guard case .address(let address) = place.forward.place, address.port == port else { return false }
            return place.state != .failed && place.forward.isDatagram == (forward.transport == .udp)
        }
        return place.map { "this network's own forward \($0.id), \($0)" }
    }
}

extension GuestSelector {
    /// A phrase for use in a sentence.
    var words: String {
        self == .first ? "a guest" : "guest \(self)"
    }
}

/// The machine's sockets, as far as the kernel shows them to this process.
enum HostSocketTable {
    /// Names the process that has a socket bound to the port. If that process may not be inspected, describes the user
    /// who owns the socket. `nil` if no such socket is found.
    static func holder(of port: UInt16, _ transport: PortForward.Transport) -> String? {
        var found = table(port, transport)
        // /proc/net does not list bound sockets that do not listen, such as those of published ports without a guest.
        if found.isEmpty, transport == .tcp { found = BoundSockets.find(port) }
        guard let first = found.first else { return nil }
        let sockets = Set(found.map { "socket:[\($0.inode)]" })
        for process in entries(of: "/proc") where Int32(process) != nil {
            for descriptor in entries(of: "/proc/\(process)/fd") {
                guard let target = link("/proc/\(process)/fd/\(descriptor)"), sockets.contains(target) else { continue }
                return "process \(process) (\(lines(of: "/proc/\(process)/comm").first ?? "?"))"
            }
        }
        // Another ringway of this user cannot be inspected either, since its sandbox forbids tracing.
        return first.user == getuid()
            ? "a process of this user, such as another ringway" : "a process of the user with the number \(first.user)"
    }

    private static func table(_ port: UInt16, _ transport: PortForward.Transport) -> [(inode: UInt64, user: UInt32)] {
        ["", "6"].flatMap { family in lines(of: "/proc/net/\(transport.rawValue)\(family)").dropFirst() }
            .compactMap { line in
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                guard fields.count > 9, let colon = fields[1].lastIndex(of: ":"),
                    UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port,
                    // State 0A is TCP_LISTEN. A UDP socket counts in any state.
                    transport == .udp || fields[3] == "0A",
                    let user = UInt32(fields[7]), let inode = UInt64(fields[9])
                else { return nil }
                return (inode, user)
            }
    }

    static func entries(of path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names
    }

    static func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { bytes -> String? in
            guard let base = bytes.baseAddress else { return nil }
            let count = readlink(path, base.assumingMemoryBound(to: CChar.self), bytes.count)
            guard count > 0 else { return nil }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
    }

    static func lines(of path: String) -> [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var lines: [String] = []
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        while getline(&line, &capacity, file) > 0 {
            guard let line else { break }
            lines.append(String(String(cString: line).dropLast(while: { $0 == "\n" })))
        }
        free(line)
        return lines
    }
}

extension String {
    fileprivate func dropLast(while matches: (Character) -> Bool) -> Substring {
        var end = endIndex
        while end > startIndex, matches(self[index(before: end)]) { end = index(before: end) }
        return self[..<end]
    }
}
