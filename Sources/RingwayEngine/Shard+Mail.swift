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
                    takeClient(message.descriptor, client: message.client, guest: message.guest)
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

    mutating func runCommands() {
        for command in shared.commands[index].takeAll() {
            switch command {
            case .listen(let descriptor, let forward, let guest):
                addListener(descriptor, forward: forward, guest: guest, isStream: true)
            case .receive(let descriptor, let forward, let guest):
                addListener(descriptor, forward: forward, guest: guest, isStream: false)
            case .unlisten(let forward): removeListeners(forward: forward)
            case .stop: isStopping = true
            }
        }
        perform()
    }

    /// Takes the operations on published ports and their spliced streams back from the kernel: one that is in flight keeps
    /// its file open, and so the port taken, until the ring is gone, for which the kernel takes its time after the
    /// process has ended. The link's are left for then: to take an interface down lasts longer than all the rest.
    private mutating func releaseForwards() {
        for slot in 0..<forwards.highWater {
            guard let socket = forwards.pointer(inSlot: slot) else { continue }
            let operation = socket.pointee.isStream ? Operation.accept : Operation.forwardedReceive
            cancel(operation.tag(forwards.handle(ofSlot: slot)))
        }
        for slot in 0..<spliced.highWater where spliced.pointer(inSlot: slot) != nil { unwatchSpliced(slot) }
        _ = reactor.ring.submitAndWait(nanoseconds: 0)
    }

    /// Ends everything: host sockets are closed with RST, as the guest that is gone would have it.
    mutating func shutDown() {
        releaseForwards()
        for slot in 0..<streams.highWater {
            guard let socket = streams.pointer(inSlot: slot) else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: true)
        }
        for slot in 0..<UInt32(datagrams.capacity) {
            if let socket = datagrams.pointer(slot) { Endpoint.close(socket.pointee.descriptor, reset: false) }
        }
        for slot in 0..<UInt32(pings.capacity) {
            if let socket = pings.pointer(slot) { Endpoint.close(socket.pointee.descriptor, reset: false) }
        }
        for slot in 0..<forwards.highWater {
            if let socket = forwards.pointer(inSlot: slot) {
                Endpoint.close(socket.pointee.descriptor, reset: false)
            }
        }
        shutDownSplicedStreams()
        if nameService >= 0 { Endpoint.close(nameService, reset: false) }
        Endpoint.close(queue.descriptor, reset: false)
    }
}
