internal import Glibc
internal import RingwayEngine
internal import RingwayWire

/// Who holds a port that we could not have.
enum PortHolder {
    /// Why a port could not be had, for a person and for a program.
    static func failure(_ error: HostListenFailure, _ forward: PortForward) -> VirtualNetwork.Failure {
        VirtualNetwork.Failure(
            explain(error.errno, forward.hostAddress, error.port, forward.transport), kind(of: error.errno))
    }

    static func kind(of error: Int32) -> VirtualNetwork.Failure.Kind {
        switch error {
        case EADDRINUSE: .portInUse
        case EACCES, EPERM: .notPermitted
        case EADDRNOTAVAIL, EAFNOSUPPORT: .addressMissing
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: .exhausted
        default: .other
        }
    }

    /// One line for a person: what could not be had, why, and what to do.
    static func explain(
        _ error: Int32, _ address: IPAddress?, _ port: UInt16, _ transport: PortForward.Transport
    ) -> String {
        let place =
            address.map { "\(TransportAddress(address: $0, port: port))" } ?? "0.0.0.0:\(port) and [::]:\(port)"
        switch error {
        case EADDRINUSE:
            let holder = find(port, transport).map { ", held by process \($0.pid) (\($0.name))" } ?? ""
            return "cannot publish \(place)/\(transport.rawValue): the port is in use\(holder)"
        case EACCES:
            return "cannot publish \(place)/\(transport.rawValue): ports below "
                + "net.ipv4.ip_unprivileged_port_start need privilege; choose a higher one"
        case EADDRNOTAVAIL:
            return "cannot publish \(place)/\(transport.rawValue): this host does not have that address"
        case EMFILE, ENFILE:
            return "cannot publish \(place)/\(transport.rawValue): no descriptor is left; raise the limit (ulimit -n)"
        default:
            return "cannot publish \(place)/\(transport.rawValue): \(String(cString: strerror(error)))"
        }
    }

    /// The process with a socket bound to the port, as far as /proc shows it to us.
    private static func find(_ port: UInt16, _ transport: PortForward.Transport) -> (pid: Int32, name: String)? {
        var inodes = Set<String>()
        for family in ["", "6"] {
            let table = "/proc/net/\(transport.rawValue)\(family)"
            for line in lines(of: table).dropFirst() {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                guard fields.count > 9, let colon = fields[1].lastIndex(of: ":"),
                    UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port
                else { continue }
                // 0A is LISTEN; a bound UDP socket is 07.
                if transport == .tcp && fields[3] != "0A" { continue }
                inodes.insert("socket:[\(fields[9])]")
            }
        }
        guard !inodes.isEmpty else { return nil }
        for process in entries(of: "/proc") {
            guard let pid = Int32(process) else { continue }
            for descriptor in entries(of: "/proc/\(process)/fd") {
                guard let target = link("/proc/\(process)/fd/\(descriptor)"), inodes.contains(target) else { continue }
                return (pid, lines(of: "/proc/\(process)/comm").first ?? "?")
            }
        }
        return nil
    }

    private static func entries(of path: String) -> [String] {
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

    private static func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { bytes -> String? in
            guard let base = bytes.baseAddress else { return nil }
            let count = readlink(path, base.assumingMemoryBound(to: CChar.self), bytes.count)
            guard count > 0 else { return nil }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
    }

    private static func lines(of path: String) -> [String] {
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
