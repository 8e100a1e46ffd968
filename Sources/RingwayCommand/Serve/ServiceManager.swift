internal import CRingway
internal import Glibc
internal import Ringway

/// The service manager that started this process, by systemd's protocols: sd_listen_fds(3) and sd_notify(3).
struct ServiceManager {
    /// The links of inherited descriptors. A descriptor with the name "vpnkit" uses VPNKit's protocol. Any other one
    /// uses QEMU's, except those named "publish", which are in `ports`.
    let links: [LinkOrder]
    /// Inherited listening TCP sockets with the name "publish". A published port uses the socket that is bound to the
    /// same address and port of the host.
    let ports: [Int32]
    private let path: String?

    private static let firstDescriptor: Int32 = 3

    /// Reads the service manager's environment variables, and removes them.
    static func claim() -> ServiceManager {
        defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"] { unsetenv(name) } }
        let path = variable("NOTIFY_SOCKET").flatMap { $0.isEmpty ? nil : $0 }
        guard let process = variable("LISTEN_PID").flatMap({ pid_t($0) }), process == getpid(),
            let count = variable("LISTEN_FDS").flatMap({ Int32($0) }), (1...1_024).contains(count)
        else { return ServiceManager(links: [], ports: [], path: path) }
        let names = (variable("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var links: [LinkOrder] = []
        var ports: [Int32] = []
        for index in 0..<count {
            let descriptor = firstDescriptor + index
            switch Int(index) < names.count ? names[Int(index)] : "" {
            case "publish": ports.append(descriptor)
            case "vpnkit": links.append(LinkOrder(address: .inherited([descriptor], framing: .vpnkit), mode: 0))
            default: links.append(LinkOrder(address: .inherited([descriptor], framing: .qemu), mode: 0))
            }
        }
        return ServiceManager(links: links, ports: ports, path: path)
    }

    private static func variable(_ name: String) -> String? { getenv(name).map { SystemText.text($0) } }

    // MARK: Notifications

    func ready() { notify("READY=1\nSTATUS=guests may come") }
    func stopping() { notify("STOPPING=1") }

    /// Reports that the configuration is being read again. Must be followed by `ready`.
    func reloading() { notify("RELOADING=1\nMONOTONIC_USEC=\(ringway_monotonic_nanoseconds() / 1_000)") }

    private func notify(_ text: String) {
        guard let path else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = SystemText.bytes(path).dropLast().map { UInt8(bitPattern: $0) }
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // A leading "@" stands for the zero byte of an abstract name, whose end is given by the length.
        let isAbstract = bytes[0] == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        let length = socklen_t(start + bytes.count + (isAbstract ? 0 : 1))
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let message = Array(text.utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
