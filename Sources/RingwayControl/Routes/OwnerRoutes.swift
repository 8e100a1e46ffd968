internal import Ringway

extension ControlledNetwork {
    /// The routes of the owners of published ports. An owner may take a lease: if the owner does not renew it in
    /// time, the owner's ports are removed.
    var ownerRoutes: [Route] {
        [
            Route("GET", "/v1/owners") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { writer in
                    writer.member("owners", network.forwardOwners) { writer, owner in
                        writer.object { writer in
                            writer.member("owner", owner.name)
                            writer.member("forwards", owner.forwards)
                            writer.member("secondsLeft", owner.secondsLeft)
                        }
                    }
                }
            },
            Route("PUT", "/v1/owners/{owner}") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let owner = try ownerName(request)
                let fields = try Fields(try request.json(), known: ["seconds"])
                guard let seconds = try fields.integer("seconds", in: 1...86_400) else {
                    throw fields.missing("seconds")
                }
                do throws(VirtualNetwork.Failure) {
                    try network.holdForwards(of: owner, seconds: seconds)
                } catch {
                    throw ControlFailure(error)
                }
                return .empty
            },
            Route("DELETE", "/v1/owners/{owner}") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let owner = try ownerName(request)
                guard network.forwardOwners.contains(where: { $0.name == owner }) else {
                    throw ControlFailure.notFound("\"\(owner)\" has published nothing")
                }
                do throws(VirtualNetwork.Failure) {
                    try network.dropForwards(of: owner)
                } catch {
                    throw ControlFailure(error)
                }
                return .empty
            },
        ]
    }

    private func ownerName(_ request: ControlRequest) throws(ControlFailure) -> String {
        let text = request.parameters["owner"] ?? ""
        guard OwnerName.isValid(text) else { throw ControlFailure.notFound("\"\(text)\" is no owner's name") }
        return text
    }
}
