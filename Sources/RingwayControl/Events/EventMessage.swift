internal import Glibc
internal import Ringway

/// Encodes events for the event stream.
enum EventMessage {
    /// The event as a server-sent event: its number, its name and its data, which is one line of JSON.
    static func bytes(of event: VirtualNetwork.Event, number: UInt64) -> [UInt8] {
        let data = JSONWriter.text { writer in
            writer.object { writer in
                writer.member("event", name(of: event))
                writer.member("time", time(nil))
                writer.member("message", "\(event)")
                writer.members(of: event)
            }
        }
        return Array("id: \(number)\nevent: \(name(of: event))\ndata: ".utf8) + data + Array("\n\n".utf8)
    }

    /// The server-sent event that tells a client how many events it has missed because the client or the server was
    /// too slow.
    static func loss(_ count: Int) -> [UInt8] {
        Array("event: lost\ndata: {\"event\":\"lost\",\"count\":\(count)}\n\n".utf8)
    }

    private static func name(of event: VirtualNetwork.Event) -> String {
        switch event {
        case .guestAttached: "guestAttached"
        case .guestDetached: "guestDetached"
        case .leaseGiven: "leaseGiven"
        case .addressKept: "addressKept"
        case .addressRefused: "addressRefused"
        case .linkLost: "linkLost"
        case .guestRefused: "guestRefused"
        case .forwardAdded, .agentForwardAdded: "forwardAdded"
        case .forwardRemoved, .agentForwardRemoved: "forwardRemoved"
        case .forwardFailed, .agentForwardFailed: "forwardFailed"
        case .forwardRecovered: "forwardRecovered"
        case .captureStarted: "captureStarted"
        case .captureEnded: "captureEnded"
        case .captureFailed: "captureFailed"
        case .captureResumed: "captureResumed"
        }
    }
}

extension JSONWriter {
    fileprivate mutating func members(of event: VirtualNetwork.Event) {
        switch event {
        case .guestAttached(let guest), .leaseGiven(let guest), .addressKept(let guest): member(guest)
        case .addressRefused(let guest, let address, let reason):
            member(guest)
            member("address", "\(address)")
            member("reason", reason)
        case .guestDetached(let guest, let reason), .linkLost(let guest, let reason):
            member(guest)
            member("reason", reason)
        case .guestRefused(let link, let reason):
            member("link", link)
            member("reason", reason)
        case .forwardAdded(let port), .forwardRemoved(let port), .forwardRecovered(let port): member(port)
        case .forwardFailed(let port, let reason):
            member(port)
            member("reason", reason)
        case .agentForwardAdded(let place), .agentForwardRemoved(let place): member(place)
        case .agentForwardFailed(let place, let reason):
            member(place)
            member("reason", reason)
        case .captureStarted(let options): member("file", options.path)
        case .captureEnded(let status):
            member("file", status.options.path)
            member("frames", status.frames)
            member("dropped", status.dropped)
        case .captureFailed(let options, let reason):
            member("file", options.path)
            member("reason", reason)
        case .captureResumed(let options, let lost):
            member("file", options.path)
            member("dropped", lost)
        }
    }

    private mutating func member(_ guest: Guest) {
        member("guest") { writer in
            writer.member("id", guest.id)
            writer.member("name", guest.name)
            writer.member("mac", "\(guest.mac)")
            writer.member("ipv4", "\(guest.ipv4)")
            writer.member("link", guest.link)
        }
    }

    private mutating func member(_ place: AgentPlace) {
        key("forward")
        forward(place)
    }

    private mutating func member(_ port: PublishedPort) {
        key("forward")
        forward(port)
    }
}
