internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayUsage

/// The command line of the Docker engine's userland proxy.
struct ProxyOptions: Equatable {
    var transport = AgentTransport.tcp
    var host = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    var container = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    /// Whether the engine has bound the port inside the guest, and passes the socket as descriptor 4.
    var hasListener = false
    var printsVersion = false

    /// All options, without dashes.
    static let known = [
        "proto", "host-ip", "host-port", "container-ip", "container-port", "use-listen-fd", "v", "version",
    ]

    /// Reads `-proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80`, with one dash
    /// or two, and `-use-listen-fd` with or without a value.
    init(_ arguments: [String]) throws(UsageFailure) {
        var rest = ArgumentReader(arguments)
        while let option = rest.nextOption() {
            let name = option.drop { $0 == "-" }
            switch name {
            case "proto":
                let text = try rest.value(of: option)
                switch text {
                case "tcp": transport = .tcp
                case "udp": transport = .udp
                default: throw UsageFailure("-proto \"\(text)\": it must be tcp or udp")
                }
            case "host-ip": host.address = try Self.address(&rest, option)
            case "host-port": host.port = UInt16(try rest.integer(of: option, in: 0...65_535))
            case "container-ip": container.address = try Self.address(&rest, option)
            case "container-port": container.port = UInt16(try rest.integer(of: option, in: 1...65_535))
            case "use-listen-fd": hasListener = rest.flag()
            case "v", "version": printsVersion = rest.flag()
            default:
                let question = Suggestion.question(name, among: Self.known.map { "-" + $0 })
                let advice = question.isEmpty ? "; try \"ringway-agent docker-proxy --help\"" : question
                throw UsageFailure("unknown option \"\(option)\"\(advice)")
            }
        }
        guard printsVersion || container.port != 0 else {
            throw UsageFailure("-container-port is missing; try \"ringway-agent docker-proxy --help\"")
        }
    }

    private static func address(_ rest: inout ArgumentReader, _ option: String) throws(UsageFailure) -> IPAddress {
        let text = try rest.value(of: option)
        guard let address = IPAddress(text) else {
            throw UsageFailure("\(option) \"\(text)\": it is not an IP address")
        }
        return address
    }

    /// The text of a refusal for the engine. A kernel error is worded as Go's standard library words it.
    func explain(_ refusal: Refusal) -> String {
        let network = transport == .tcp ? "tcp" : "udp"
        let kernels = String(cString: strerror(refusal.errorNumber))
        // A text other than the kernel's was written by Ringway on the host, and says why the host refuses the port.
        guard refusal.text == kernels else { return refusal.text }
        let words = kernels.lowercased()
        return "listen \(network)\(host.address.isIPv4 ? "4" : "6") \(host): bind: \(words)"
    }
}

extension ArgumentReader {
    /// The value of a flag: false for `=false`, true for `=true` or without a value.
    mutating func flag() -> Bool { attachedValue() != "false" }
}
