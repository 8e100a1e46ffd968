internal import Ringway

/// A running network of `ringway serve`, and the settings that are in force in it.
struct ServedNetwork {
    private(set) var order: NetworkOrder
    private let network: VirtualNetwork
    private let subscription: VirtualNetwork.Subscription
    private let state: StateKeeper?

    var name: String { order.name }
    var publishedPorts: [PublishedPort] { network.publishedPorts }

    /// Starts the network, its links and its ports. If one of them cannot be started, stops all and throws.
    ///
    /// - Parameter isAlone: whether this is the only network, so that messages about it need no name.
    init(_ order: NetworkOrder, isAlone: Bool, state place: StateOrder = .none) throws(CommandFailure) {
        self.order = order
        let state = try StateKeeper.open(place, for: order)
        self.state = state
        let prefix = isAlone ? "" : "network \(order.name): "
        var configuration = order.configuration
        let choice = order.networkChoice.settle(
            configuration.ipv4Network, isChosen: order.isNetworkSettled, former: state?.found?.network)
        configuration.ipv4Network = choice.network
        for notice in [choice.notice, configuration.ipv6Prefix.flatMap { NetworkChoice.notice(prefix: $0) }] {
            if let notice { StandardError.write("\(prefix)\(notice)") }
        }
        state?.apply(to: &configuration)
        do throws(VirtualNetwork.Failure) {
            let network = try VirtualNetwork(configuration)
            self.network = network
            let gate = NewsGate()
            subscription = network.subscribe { [weak network] event in
                if let network { state?.changed(network) }
                guard Self.isNews(event) else { return }
                switch Self.isOfAgents(event) ? gate.admit() : .say {
                case .say: StandardError.write("\(prefix)\(event)")
                case .sayThatMoreFollow:
                    StandardError.write("\(prefix)agents publish more ports: \"ringway publish ls\" lists them")
                case .silence: break
                }
            }
            do throws(VirtualNetwork.Failure) {
                for descriptor in order.portListeners { try network.adopt(portListener: descriptor) }
                for forward in order.publish { try network.publish(forward) }
                state?.restore(to: network)
                for forward in order.agentForwards { try network.forward(forward) }
                for link in order.links { try network.listen(on: link.address, mode: link.mode, terms: link.terms) }
            } catch {
                network.stop()
                throw error
            }
            state?.save(network)
        } catch {
            throw CommandFailure("\(prefix)\(error)")
        }
    }

    /// Whether an event is logged. An event that usually follows a request of the user, or another logged event, is
    /// not logged.
    private static func isNews(_ event: VirtualNetwork.Event) -> Bool {
        switch event {
        case .guestAttached, .guestDetached, .guestRefused, .forwardFailed, .forwardRecovered, .agentForwardFailed,
            .captureFailed, .captureResumed, .addressKept, .addressRefused:
            true
        case .forwardAdded(let port): port.isChosen
        case .agentForwardAdded(let place), .agentForwardRemoved(let place): place.kind != .forward
        case .leaseGiven, .linkLost, .forwardRemoved, .captureStarted, .captureEnded: false
        }
    }

    /// Whether guests, by their agents, can cause the event as often as they like.
    private static func isOfAgents(_ event: VirtualNetwork.Event) -> Bool {
        switch event {
        case .agentForwardAdded(let place), .agentForwardRemoved(let place), .agentForwardFailed(let place, _):
            place.kind != .forward
        default: false
        }
    }

    /// Opens the network's control socket. Returns a message to be printed when the network is up.
    func open(_ control: ServedControl, isAlone: Bool) throws(CommandFailure) -> String {
        let notice = try control.open(network, order)
        let places = order.links.isEmpty ? "no links yet" : "listening on \(order.places)"
        let parts = [isAlone ? places : "network \(name): \(places)", notice]
        return parts.compactMap(\.self).joined(separator: "; ")
    }

    func stop() {
        state?.finish(network)
        network.stop()
    }

    /// The counters of the network and of each guest, as a JSON object.
    var json: String {
        let guests = network.guests.compactMap { guest in
            network.statistics(of: guest.id).map { "\"\(guest.name)\":\($0.json)" }
        }
        return "{\"counters\":\(network.statistics().json),\"guests\":{\(guests.joined(separator: ","))}}"
    }

    // MARK: Changes

    /// Applies changed settings, as far as this is possible without a restart. Returns log lines: one for each change,
    /// for each failure, and for each change that needs a restart.
    mutating func change(to next: NetworkOrder) -> [String] {
        var lines: [String] = []
        lines += changeLeasesAndNames(next)
        lines += changePolicy(next)
        lines += changePorts(next)
        lines += changeForwards(next)
        lines += changeLinks(next)
        lines += changeCapture(next)
        state?.setLinks(order.links.map { "\($0.address)" })
        state?.changed(network)
        lines += Self.fixed(order.configuration, next.configuration).map {
            "\($0) has changed: that needs a restart, until then it stays as it is"
        }
        return order.name == NetworkOrder.onlyName ? lines : lines.map { "network \(order.name): \($0)" }
    }

    private mutating func changeLeasesAndNames(_ next: NetworkOrder) -> [String] {
        var lines: [String] = []
        do throws(VirtualNetwork.Failure) {
            if order.configuration.leases != next.configuration.leases {
                try network.setLeases(next.configuration.leases)
                order.configuration.leases = next.configuration.leases
                lines.append("leases have changed; a guest that is there keeps its address until it leaves")
            }
            if order.configuration.names != next.configuration.names {
                try network.setNames(next.configuration.names)
                order.configuration.names = next.configuration.names
                lines.append("names have changed")
            }
        } catch {
            lines.append(error.description)
        }
        return lines
    }

    private mutating func changePolicy(_ next: NetworkOrder) -> [String] {
        let (now, wanted) = (order.configuration, next.configuration)
        guard
            now.allow != wanted.allow || now.deny != wanted.deny || now.hostLoopback != wanted.hostLoopback
                || now.host != wanted.host || now.udpFiltering != wanted.udpFiltering
        else { return [] }
        do throws(VirtualNetwork.Failure) {
            try network.setPolicy(
                allow: wanted.allow, deny: wanted.deny, hostLoopback: wanted.hostLoopback, host: wanted.host,
                udpFiltering: wanted.udpFiltering)
        } catch {
            return [error.description]
        }
        order.configuration.allow = wanted.allow
        order.configuration.deny = wanted.deny
        order.configuration.hostLoopback = wanted.hostLoopback
        order.configuration.host = wanted.host
        order.configuration.udpFiltering = wanted.udpFiltering
        return ["what guests may reach has changed, for connections from now on"]
    }

    private mutating func changePorts(_ next: NetworkOrder) -> [String] {
        var lines: [String] = []
        let wanted = Set(next.publish)
        // Ports published by the control API are not changed.
        for port in network.publishedPorts.filter(\.owner.isEmpty)
        where wanted.isDisjoint(with: [port.forward, port.requested]) {
            // The only possible failure is that the API has already removed the port.
            try? network.unpublish(port.id)
            lines.append("\(port.forward) is no longer published")
        }
        let own = network.publishedPorts.filter(\.owner.isEmpty)
        let present = Set(own.flatMap { [$0.forward, $0.requested] })
        for forward in next.publish where !present.contains(forward) {
            do throws(VirtualNetwork.Failure) {
                let port = try network.publish(forward, keepsTrying: true)
                // A port that was chosen automatically, or that could not be opened, is reported by an event.
                if !port.isChosen, port.problem == nil { lines.append("\(forward) is published") }
            } catch {
                lines.append(error.description)
            }
        }
        order.publish = next.publish
        return lines
    }

    private mutating func changeForwards(_ next: NetworkOrder) -> [String] {
        var lines: [String] = []
        let wanted = Set(next.agentForwards)
        for (number, forward) in network.agentForwards where !wanted.contains(forward) {
            // The only possible failure is that the API has already removed the forward.
            try? network.endForward(number)
            lines.append("\(forward) is no longer forwarded")
        }
        let present = Set(network.agentForwards.values)
        for forward in next.agentForwards where !present.contains(forward) {
            do throws(VirtualNetwork.Failure) {
                try network.forward(forward)
                lines.append("\(forward) is forwarded")
            } catch {
                lines.append(error.description)
            }
        }
        order.agentForwards = next.agentForwards
        return lines
    }

    private mutating func changeLinks(_ next: NetworkOrder) -> [String] {
        var lines: [String] = []
        for link in order.links where !next.links.contains(link) {
            network.stopListening(on: link.address)
            order.links.removeAll { $0 == link }
            let fate = link.address.isOfAgents ? "its agents leave" : "guests that came by it stay"
            lines.append("\(link.address) is no longer listened at; \(fate)")
        }
        for link in next.links where !order.links.contains(link) {
            do throws(VirtualNetwork.Failure) {
                try network.listen(on: link.address, mode: link.mode, terms: link.terms)
                order.links.append(link)
                lines.append("\(link.address) is listened at")
            } catch {
                lines.append(error.description)
            }
        }
        return lines
    }

    /// Starts and stops the capture that the configuration requests. A capture started by the control API is not
    /// changed.
    private mutating func changeCapture(_ next: NetworkOrder) -> [String] {
        let (now, wanted) = (order.configuration.capture, next.configuration.capture)
        guard now != wanted else { return [] }
        order.configuration.capture = wanted
        var lines: [String] = []
        if let now, network.capture?.options == now {
            // A failure is ignored: a client of the control API may have stopped the capture already.
            _ = try? network.stopCapture()
            lines.append("frames are no longer captured to \(now.path)")
        }
        if let wanted {
            do throws(VirtualNetwork.Failure) {
                try network.startCapture(wanted)
                lines.append("frames are captured to \(wanted.path)")
            } catch {
                lines.append("capture: \(error)")
            }
        }
        return lines
    }

    /// The keys that differ and cannot be changed without a restart.
    private static func fixed(
        _ now: VirtualNetwork.Configuration, _ wanted: VirtualNetwork.Configuration
    ) -> [String] {
        var keys: [String] = []
        if now.ipv4Network != wanted.ipv4Network { keys.append("network") }
        if now.ipv6Prefix != wanted.ipv6Prefix { keys.append("ipv6-prefix") }
        if now.mtu != wanted.mtu { keys.append("mtu") }
        if now.nameServers != wanted.nameServers { keys.append("dns") }
        if now.publishOn != wanted.publishOn { keys.append("publish-on") }
        if now.keepsPrivilegedPorts != wanted.keepsPrivilegedPorts { keys.append("privileged-source-ports") }
        if now.isolate != wanted.isolate { keys.append("isolate") }
        if now.agentToken != wanted.agentToken { keys.append("agent-token") }
        if now.trustsAgentNames != wanted.trustsAgentNames { keys.append("trust-agent-names") }
        if now.agentPublishing != wanted.agentPublishing { keys.append("agent-publish") }
        if now.agentSockets != wanted.agentSockets { keys.append("agent-socket") }
        if now.followsListeningPorts != wanted.followsListeningPorts { keys.append("follow-ports") }
        if now.shards != wanted.shards { keys.append("shards") }
        if now.busyPoll != wanted.busyPoll { keys.append("busy-poll") }
        if now.reactor != wanted.reactor { keys.append("reactor") }
        if now.limits != wanted.limits { keys.append("limits") }
        return keys
    }
}
