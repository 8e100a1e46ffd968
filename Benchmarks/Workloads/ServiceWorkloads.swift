import RingwayModel

@testable import RingwayResolver

extension Workload {
    /// The gateway's own services, one request per iteration.
    static var services: [Workload] {
        [
            service("ARP.Answer") { .addressRequest() }, service("DHCP.Offer") { .discover() },
            name("DNS.Answer", "host.ringway.internal"), name("DNS.NotOurs", "www.example.org"),
        ]
    }

    private static func service(_ name: String, _ make: @escaping @Sendable () -> GuestFrame) -> Workload {
        Workload(name) {
            let shard = PumpedShards(count: 1)
            let question = make()
            return { count in
                let before = shard[0].pointee.framesToGuest
                for _ in 0..<count { shard[0].pointee.receive(question) }
                precondition(shard[0].pointee.framesToGuest - before >= count, "questions were not answered")
            }
        }
    }

    /// A DNS query for an address, parsed and looked up among the built-in names.
    private static func name(_ name: String, _ host: String) -> Workload {
        Workload(name) {
            let names = ["gateway", "host"].flatMap { host in
                ["ringway.internal", "docker.internal"].map { domain in
                    BuiltinName(
                        name: "\(host).\(domain)", ipv4: IPv4Address(192, 168, 127, 254),
                        ipv6: IPv6Address(high: 0xFD00 << 48, low: 0xFE))
                }
            }
            guard let zone = try? BuiltinZone(names), let wire = WireName.encode(host) else {
                preconditionFailure("constants are names")
            }
            let question: [UInt8] = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + wire + [0, 1, 0, 1]
            return { count in
                for _ in 0..<count {
                    guard let query = Query(question) else { preconditionFailure("the query is refused") }
                    consume(zone.answer(to: query)?.count ?? 0)
                }
            }
        }
    }
}
