internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel

/// The guest's listening sockets, as listed by the kernel (sock_diag(7)).
///
/// The kernel can report closed sockets but not new ones, so the list is read periodically, and compared to the
/// previous one.
struct ListeningPorts: ~Copyable {
    /// TCP_LISTEN, and the state of a UDP socket without peer (TCP_CLOSE): `include/net/tcp_states.h`.
    private static var listening: UInt32 { 1 << 10 }
    private static var unconnected: UInt32 { 1 << 7 }

    private let descriptor: Int32
    private var known: Set<ListeningPort> = []
    private var buffer = [UInt8](repeating: 0, count: 32_768)

    /// If the kernel does not list sockets, none are reported.
    init() { descriptor = ringway_diagnosis_open() }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The changes since the last call, in reports that each fit a message.
    mutating func changes() -> [PortReport] {
        guard let present = list() else { return [] }
        let gone = known.subtracting(present).map { PortReport.Change($0, isListening: false) }
        let come = present.subtracting(known).map { PortReport.Change($0, isListening: true) }
        known = present
        let all = gone + come
        return stride(from: 0, to: all.count, by: PortReport.maximumChanges).map {
            PortReport(changes: Array(all[$0..<min($0 + PortReport.maximumChanges, all.count)]))
        }
    }

    /// All listening sockets, or `nil` if the kernel returns no list.
    private mutating func list() -> Set<ListeningPort>? {
        guard descriptor >= 0 else { return nil }
        var present: Set<ListeningPort> = []
        for isIPv4 in [true, false] {
            for transport in [AgentTransport.tcp, .udp] {
                let states = transport == .tcp ? Self.listening : Self.unconnected
                guard ringway_diagnosis_ask(descriptor, isIPv4, transport == .tcp, states) == 0,
                    receive(transport, &present)
                else { return nil }
            }
        }
        return present
    }

    private mutating func receive(_ transport: AgentTransport, _ present: inout Set<ListeningPort>) -> Bool {
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            var offset = 0
            var answer = ringway_diagnosis()
            var state: Int32 = 1
            while state == 1 {
                state = buffer.withUnsafeBytes { ringway_diagnosis_next($0.baseAddress, count, &offset, &answer) }
                guard state == 1, answer.port != 0 else { continue }
                let address = TransportAddress(address: Self.address(answer), port: answer.port)
                present.insert(ListeningPort(transport: transport, address: address))
            }
            if state < 0 { return true }
        }
    }

    private static func address(_ answer: ringway_diagnosis) -> IPAddress {
        withUnsafeBytes(of: answer.address) { bytes in
            var words: (UInt64, UInt64) = (0, 0)
            for index in 0..<8 { words.0 = words.0 << 8 | UInt64(bytes[index]) }
            for index in 8..<16 { words.1 = words.1 << 8 | UInt64(bytes[index]) }
            guard answer.ipv4 else { return IPAddress(high: words.0, low: words.1) }
            return IPAddress(IPv4Address(rawValue: UInt32(truncatingIfNeeded: words.0 >> 32)))
        }
    }
}
