internal import Ringway

extension ControlledNetwork {
    /// The most forwards in a request that replaces all forwards of an owner.
    private static var mostForwards: Int { 65_536 }

    /// The routes of published ports and of forwards through agents.
    var forwardRoutes: [Route] {
        [
            Route("GET", "/v1/forwards") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { writer in
                    writer.key("forwards")
                    writer.forwards(of: network)
                }
            },
            Route("POST", "/v1/forwards") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let fields = try Fields(try request.json(), known: ForwardMessage.keys + ["owner"])
                let forward = try ForwardMessage.read(fields)
                let owner = try OwnerName.read(fields)
                do throws(VirtualNetwork.Failure) {
                    let port = try network.publish(forward, owner: owner)
                    return .json(JSONWriter.text { $0.forward(port) }, status: 201)
                } catch {
                    throw ControlFailure(error)
                }
            },
            Route("PUT", "/v1/forwards") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let fields = try Fields(try request.json(), known: ["owner", "forwards"])
                let owner = try OwnerName.read(fields)
                var wanted: [PortForward] = []
                for (index, element) in try fields.array("forwards", upTo: Self.mostForwards).enumerated() {
                    let place = "forwards[\(index)]"
                    let members = try Fields(element, at: place, known: ForwardMessage.keys)
                    wanted.append(try ForwardMessage.read(members))
                }
                return try set(wanted, owner)
            },
            Route("GET", "/v1/forwards/{id}") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let number = try request.number("id")
                if let place = network.agentPlace(number) { return .json(JSONWriter.text { $0.forward(place) }) }
                guard let port = network.publishedPort(number) else {
                    throw ControlFailure.notFound("nothing is published under the number \(number)")
                }
                return .json(JSONWriter.text { $0.forward(port) })
            },
            Route("DELETE", "/v1/forwards/{id}") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let number = try request.number("id")
                do throws(VirtualNetwork.Failure) {
                    if network.agentPlace(number) != nil {
                        try network.endForward(number)
                    } else {
                        try network.unpublish(number)
                    }
                } catch {
                    throw ControlFailure(error)
                }
                return .empty
            },
        ]
    }

    private func set(_ wanted: [PortForward], _ owner: String) throws(ControlFailure) -> ControlResponse {
        do throws(VirtualNetwork.Failure) {
            let changes = try network.setPublished(wanted, owner: owner)
            return .object { writer in
                writer.member("added", changes.added) { $0.forward($1) }
                writer.member("removed", changes.removed) { $0.forward($1) }
                writer.member("kept", changes.kept) { $0.forward($1) }
            }
        } catch {
            throw ControlFailure(error)
        }
    }
}
