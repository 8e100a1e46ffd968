internal import CRingway
internal import Glibc
internal import Ringway

/// The guest's `/etc/resolv.conf`: the gateway as the only server, with the host's search list and options.
enum ResolverConfiguration {
    /// The most bytes that are read of a file; further ones are ignored.
    static let maximumLength = 65_536

    /// The first line, by which Ringway recognises a file that it has written.
    static let firstLine = "# Made by ringway for this network namespace.\n"

    /// The content of the guest's file, for a host's file with the content `host`.
    static func contents(gateway: IPv4Address, host: String) -> String {
        var text = "\(firstLine)nameserver \(gateway)\n"
        for line in host.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let keyword = words.first, ["search", "domain", "options"].contains(keyword) else { continue }
            text += words.joined(separator: " ") + "\n"
        }
        return text
    }

    /// The content of a file, by default the host's; empty if it cannot be read.
    static func hostContents(at path: String = "/etc/resolv.conf") -> String {
        let file = ringway_open(path, O_RDONLY, 0)
        guard file >= 0 else { return "" }
        defer { close(file) }
        let bytes = [UInt8](unsafeUninitializedCapacity: maximumLength) { buffer, count in
            count = max(0, read(file, buffer.baseAddress, buffer.count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The addresses on the `nameserver` lines.
    static func servers(in host: String) -> [String] {
        host.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return String(words[1])
        }
    }
}
