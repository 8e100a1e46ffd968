internal import Ringway

extension ControlledNetwork {
    /// The most flows in one response.
    private static var mostFlows: Int { 4_096 }

    /// The routes of guests and their flows.
    var guestRoutes: [Route] {
        [
            Route("GET", "/v1/guests") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { writer in
                    writer.member("guests", network.guests) { writer, guest in
                        writer.object { $0.members(of: guest, network.statistics(of: guest.id)) }
                    }
                }
            },
            Route("GET", "/v1/guests/{id}") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let number = try request.number("id")
                guard let guest = network.guests.first(where: { $0.id == number }),
                    let statistics = network.statistics(of: number)
                else { throw ControlFailure.notFound("there is no guest \(number)") }
                return .object { writer in
                    writer.members(of: guest, statistics)
                    writer.member("bounds", network.bounds(of: number) ?? []) { writer, bound in
                        writer.object { $0.members(of: bound) }
                    }
                    writer.member("counters") { $0.members(of: statistics) }
                }
            },
            Route("DELETE", "/v1/guests/{id}") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let number = try request.number("id")
                do throws(VirtualNetwork.Failure) {
                    try network.detach(number, because: "it was sent away by the control API")
                } catch {
                    throw ControlFailure(error)
                }
                return .empty
            },
            Route("GET", "/v1/flows") { (request) throws(ControlFailure) in
                try request.expectQuery(["limit", "guest"])
                let limit = try request.integer("limit", in: 1...Self.mostFlows) ?? 1_000
                let guest = try request.integer("guest", in: 1...Int(UInt32.max))
                let (flows, isComplete) = network.flows(of: guest.map { UInt32($0) }, limit: limit)
                return .object { writer in
                    writer.member("flows", flows) { $0.flow($1) }
                    writer.member("complete", isComplete)
                }
            },
        ]
    }
}
