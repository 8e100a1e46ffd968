internal import CRingway
internal import RingwayHost
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// Between shards, and from the control plane.
extension Shard {
    /// Posts to another shard and wakes it where needed. False when its mailbox is full.
    mutating func post(_ message: ShardMessage, to other: Int) -> Bool {
        guard shared.network.mailbox(to: other, from: index).post(message) else { return false }
        shared.network.withDoorbell(of: other) { reactor.wake($0, Operation.mail.tag()) }
        return true
    }

    mutating func readMail() {
        let count = shared.network.count
        guard count > 1 else { return }
        for sender in 0..<count where sender != index {
            let mailbox = shared.network.mailbox(to: index, from: sender)
            var budget = 256
            while budget > 0, let message = mailbox.take() {
                budget -= 1
                switch message.kind {
                case .frame:
                    stack.receiveFrame(message.summary, message.lease, length: Int(message.length))
                    perform()
                case .leases:
                    pool.pointee.acceptHome(message.lease)
                case .accepted:
                    takeAccepted(message.descriptor, client: message.client, guest: message.guest)
                }
            }
        }
    }

    /// Sends home the leases of other shards that were released here.
    mutating func flushStrays() {
        guard pool.pointee.strayCount > 0 else { return }
        for other in 0..<shared.network.count where other != index {
            let chain = pool.pointee.takeStrays(of: other)
            guard !chain.isNone else { continue }
            var message = ShardMessage(.leases)
            message.lease = chain
            if !post(message, to: other) { pool.pointee.keepStrays(chain, of: other) }
        }
    }

    /// Does what the control plane asks, a part at a time: many ports at once must not keep frames waiting.
    mutating func runCommands() {
        let queue = shared.commands[index]
        var budget = ShardCommand.sockets
        while budget > 0, let command = queue.take() {
            budget -= command.cost
            switch command {
            case .listen(let sockets): for socket in sockets { addListener(socket) }
            case .unlisten(let forwards, let first, let ended):
                budget = 0
                if let next = endListeners(of: forwards, from: first) {
                    queue.putBack(.unlisten(forwards, from: next, ended))
                } else {
                    awaitedEnds.append(ended)
                    tellEndedListeners()
                }
            case .addNeighbor(let mac, let inbox): addNeighbor(mac, inbox: inbox)
            case .removeNeighbor(let mac): removeNeighbor(mac)
            case .setSearchDomains(let domains): stack.setSearchDomains(domains)
            case .setGuestIPv4(let address): setGuestIPv4(address)
            case .revokeAddress(let address, let reply):
                revokeAddress(address)
                reply.send()
            case .setPolicy(let policy): stack.policy = policy
            case .join(let client, let conversation, let ends, _):
                join(client: client, conversation: conversation, ends)
            case .giveBack:
                budget = 0
                giveBack()
            case .setCapture(let capture): self.capture = FrameCapture(capture)
            case .list(let page): list(page)
            case .stop: isStopping = true
            }
        }
        perform()
        if !queue.isEmpty { shared.network.doorbell(of: index).wake() }
    }
}
