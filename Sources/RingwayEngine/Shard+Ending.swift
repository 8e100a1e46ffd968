internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// A shard's end.
extension Shard {
    /// Nanoseconds that it may take to have an operation back that is being carried out at this moment.
    private static var cancelPatience: UInt64 { 50_000_000 }

    /// Ends everything: host sockets are closed with RST, as the guest that is gone would have it.
    mutating func shutDown() {
        takeOperationsBack()
        closeDescriptors()
    }

    /// Takes back the operations on published ports and their spliced streams. Each holds the file that it works on: a
    /// socket closed under it would keep its port until the kernel has taken the ring apart, which it does some time after
    /// we are gone. The link's are left for then: to take an interface down lasts longer than all the rest.
    private mutating func takeOperationsBack() {
        for slot in 0..<spliced.highWater where spliced.pointer(inSlot: slot) != nil { unwatchSpliced(slot) }
        // What one round submits, or lets run, may be armed only then: the next one finds it. And what had to be waited for
        // is not counted by the kernel, but ends in the next round: so only the second that finds nothing is the last.
        var vain = 0
        for _ in 0..<8 {
            // A ring that fails is not waited for.
            guard reactor.ring.submitAndWait(nanoseconds: 0) == 0 else { break }
            closeAccepted()
            var count = 0
            for slot in 0..<forwards.highWater {
                guard let socket = forwards.pointer(inSlot: slot) else { continue }
                let cancelled = reactor.ring.cancelNow(
                    forwards.tag(ofSlot: slot, socket.pointee), nanoseconds: Self.cancelPatience)
                count += max(0, Int(cancelled))
            }
            vain = count == 0 ? vain + 1 : 0
            if vain == 2 { break }
        }
    }

    /// Clients that were accepted at the last moment; nothing else that completes now brings anything to close.
    private mutating func closeAccepted() {
        while let completion = reactor.ring.nextCompletion() {
            guard Operation(rawValue: completion.tag.kind) == .accept, completion.result >= 0 else { continue }
            Endpoint.close(completion.result, reset: true)
        }
    }

    /// Closes a descriptor on which operations may be under way.
    mutating func closeWatched(_ descriptor: Int32, reset: Bool) {
        reactor.ring.closing(descriptor)
        Endpoint.close(descriptor, reset: reset)
    }

    mutating func closeDescriptors() {
        for slot in 0..<streams.highWater {
            guard let socket = streams.pointer(inSlot: slot) else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: true)
            shared.descriptors.release(Int(socket.pointee.charge))
        }
        for slot in 0..<UInt32(datagrams.capacity) {
            guard let socket = datagrams.pointer(slot) else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: false)
            shared.descriptors.release()
        }
        for slot in 0..<UInt32(pings.capacity) {
            guard let socket = pings.pointer(slot), !socket.pointee.isRaw else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: false)
            shared.descriptors.release()
        }
        rawEchoes.closeDescriptors { Endpoint.close($0, reset: false) }
        for ended in awaitedEnds { ended.send() }
        shutDownSplicedStreams()
        _ = pipes.closeIdle()
        countSpares()
        port.closeDescriptors()
        inbox.close()
        if nameService >= 0 { Endpoint.close(nameService, reset: false) }
        // Operations under way hold the socket for a while yet; its peer is to know now.
        if departures != nil { _ = shutdown(queue.descriptor, Int32(SHUT_RDWR)) }
        Endpoint.close(queue.descriptor, reset: false)
    }
}
