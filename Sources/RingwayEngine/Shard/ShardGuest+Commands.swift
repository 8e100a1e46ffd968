internal import RingwayStack
internal import RingwayStorage

/// What the control plane asks of a guest, and what other guests ask of it.
extension ShardGuest {
    /// Does what the control plane asks, a part at a time: many ports at once must not keep frames waiting.
    mutating func runCommands(_ core: inout ShardCore) {
        let queue = shared.commands[part]
        var budget = ShardCommand.sockets
        while budget > 0, phase != .ending, let command = queue.take() {
            budget -= command.cost
            run(.command(command), &core)
            switch command {
            case .start: start(&core)
            case .giveBack: giveBack(&core)
            case .stop(let removal): beginEnding(removal, &core)
            default: break
            }
        }
        // Those for a guest that is ending are abandoned when it has gone.
        if phase != .ending, !queue.isEmpty { shared.call(part) }
    }

    mutating func carryOut(_ command: ShardCommand, _ core: inout ShardCore) {
        switch command {
        case .listen(let sockets): for socket in sockets { ports.add(socket, &core, &stack) }
        case .unlisten(let forwards, let first, let ended):
            if let next = ports.end(of: forwards, from: first, &core, &stack) {
                shared.commands[part].putBack(.unlisten(forwards, from: next, ended))
            } else {
                ports.awaitEnds(ended)
            }
        case .addNeighbor(let mac, let place): neighbors.addNeighbor(mac, at: place)
        case .removeNeighbor(let mac): neighbors.removeNeighbor(mac)
        case .setSearchDomains(let domains): stack.setSearchDomains(domains)
        case .setGuestIPv4(let address): setGuestIPv4(address, &core)
        case .revokeAddress(let address): neighbors.revokeAddress(address, now: core.now)
        case .setPolicy(let policy): stack.policy = policy
        case .join(let client, let channel, let ends, _):
            relays.join(client: client, channel: channel, ends, &core)
        case .setCapture(let capture): link.setCapture(capture)
        case .list(let page): page.fill(&stack, &relays)
        case .confirmed(let command, let reply):
            carryOut(command, &core)
            reply.send()
        case .start, .giveBack, .stop: break
        }
    }

    // MARK: Descriptors

    /// Ends idle flows of the guest for others that are below their share, some at a time.
    private mutating func giveBack(_ core: inout ShardCore) {
        let descriptors = shared.descriptors
        var budget = ShardCommand.sockets
        while budget > 0, descriptors.takeDebt() {
            budget -= 1
            if relays.closeSpares() { continue }
            guard let work = self.idlest() else { return descriptors.leaveDebt() }
            run(work, &core)
        }
        if descriptors.isInDebt { shared.send(.giveBack, to: part) }
    }

    private mutating func idlest() -> ShardWork? {
        let flow = stack.idlestFlow()
        if let relay = relays.idlest(), relay.usedAt < flow?.usedAt ?? .max { return .endRelay(relay.slot) }
        return flow.map { .endFlow($0) }
    }
}
