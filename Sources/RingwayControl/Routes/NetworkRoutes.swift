internal import Ringway

/// A network and the routes of its control API.
struct ControlledNetwork: Sendable {
    let network: VirtualNetwork
    let identity: ControlIdentity
    let events: EventBroadcast

    /// All routes of the API. `/v1/events` returns `.events`, and `ConnectionHandler` sends the stream.
    var router: Router { Router(routes: networkRoutes + guestRoutes + forwardRoutes + ownerRoutes + captureRoutes) }

    /// The routes of the network as a whole.
    private var networkRoutes: [Route] {
        [
            Route("GET", "/openapi.json") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .json(OpenAPIDocument.text)
            },
            Route("GET", "/metrics") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .text(MetricsText.text(of: self), type: "text/plain; version=0.0.4; charset=utf-8")
            },
            Route("GET", "/v1/status") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { $0.members(ofStatus: self) }
            },
            Route("GET", "/v1/leases") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { $0.member("leases", network.leases) { $0.lease($1) } }
            },
            Route("GET", "/v1/names") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { $0.member("names", network.names) { $0.name($1) } }
            },
            Route("GET", "/v1/events") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .events
            },
            Route("GET", "/v1/diagnostics") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .json(Diagnostics.bundle(of: self))
            },
        ]
    }
}
