import RingwayAgentProtocol
import RingwayModel

/// One message of every kind, and of every shape within a kind.
enum Samples {
    static let messages: [AgentMessage] = hellos + answers + dials + reports

    private static let session = SessionIdentifier.random()
    private static let server = TransportAddress("127.0.0.1:8080") ?? TransportAddress(address: .none, port: 0)
    private static let server6 = TransportAddress("[fd77::1]:443") ?? TransportAddress(address: .none, port: 0)

    private static let hellos: [AgentMessage] = [
        .hello(
            Hello(
                role: .control(
                    GuestOffer(
                        mac: MACAddress(rawValue: 0x0200_0000_0001), queues: 2, mtu: 1_500,
                        takesUDPSuperFrames: true, name: "guest")),
                session: session, token: Array("secret".utf8))),
        .hello(Hello(role: .frames(queue: 1, of: 2), session: session, token: [])),
        .hello(Hello(role: .stream, session: session, token: Array(repeating: 7, count: 255))),
        .hello(Hello(role: .hostSocket(name: "ssh-agent"), session: session, token: [])),
    ]

    private static let answers: [AgentMessage] = [
        .welcome(Welcome()),
        .welcome(Welcome(readyStreams: 8, wantsPorts: true, network: network)),
        .refusal(Refusal(errorNumber: 13, text: "the token is another")),
        .dialled(nil),
        .dialled(Refusal(errorNumber: 111, text: "Connection refused")),
        .published(PublishAnswer(number: 7, port: 8_080)),
        .published(
            PublishAnswer(
                number: 8, port: 0, refusal: Refusal(errorNumber: 98, text: "address already in use"))),
    ]

    private static let dials: [AgentMessage] = [
        .dial(DialTarget(.tcp(server))),
        .dial(DialTarget(.udp(server6), namespace: "blue")),
        .dial(DialTarget(.unix(path: "/run/server.sock"), namespace: "/proc/1/ns/net")),
    ]

    private static let reports: [AgentMessage] = [
        .moreStreams(17),
        .ports(PortReport(changes: [])),
        .ports(
            PortReport(changes: [
                .init(ListeningPort(transport: .tcp, address: server), isListening: true),
                .init(ListeningPort(transport: .udp, address: server6), isListening: false),
            ])),
        .publish(PublishRequest(number: 9, transport: .tcp, host: server, guest: server6)),
        .unpublish(9),
        .clock(1_800_000_000_000_000_000),
    ]

    private static let network = CIDRBlock("192.168.127.2/24").flatMap { ipv4 in
        CIDRBlock("fd77::2/64").map { ipv6 in
            GuestNetwork(
                mtu: 1_500, ipv4: ipv4, ipv4Gateway: IPv4Address(192, 168, 127, 1), ipv6: ipv6,
                ipv6Gateway: IPv6Address(high: 0xFD77 << 48, low: 1),
                nameServers: [IPAddress(IPv4Address(192, 168, 127, 1))])
        }
    }
}

extension IPAddress {
    static let none = IPAddress(high: 0, low: 0)
}
