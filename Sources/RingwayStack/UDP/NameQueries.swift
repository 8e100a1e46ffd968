internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// The gateway's port 53 over UDP: queries go to the DNS service under a handle, and its answers come back under the same.
struct NameQueries: ~Copyable {
    /// A query that the name service is at work on: the client, and which of the gateway's addresses it was sent to.
    struct Query: BitwiseCopyable {
        var guest: TransportAddress
        var server: IPAddress
    }

    private var queries: Slab<Query>
    /// Nanoseconds after which a query without an answer is forgotten: a second after the resolver gives it up.
    private let timeout: UInt64

    init(_ limits: Limits, capacity: Int) throws(MemoryFailure) {
        queries = try Slab<Query>(capacity: capacity)
        timeout = SilenceTimeouts(limits).dns &+ 1_000_000_000
    }

    /// Takes the lease.
    mutating func receive(_ summary: FrameSummary, _ lease: Lease, _ core: inout StackCore) {
        let query = Query(
            guest: TransportAddress(address: summary.source, port: summary.sourcePort), server: summary.destination)
        guard summary.segmentSize == 0, let handle = queries.insert(query) else {
            core.counters.add(.dnsRefused)
            return core.release(lease)
        }
        core.counters.add(.dnsQueries)
        core.timers.schedule(.query(handle.slot), at: core.now &+ timeout)
        var effect = Effect(.query, handle)
        effect.lease = lease
        effect.offset = UInt32(summary.payloadOffset) + UInt32(VirtioNetHeader.length)
        effect.length = summary.payloadLength
        core.effects.append(effect)
    }

    mutating func runTimer(slot: UInt32, _ core: inout StackCore) {
        guard queries.pointer(inSlot: slot) != nil else { return }
        core.counters.add(.dnsUnanswered)
        queries.remove(slot: slot)
    }

    /// The name service's answer. Takes the lease.
    mutating func answered(
        _ handle: Handle, _ payload: DatagramPayload, _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        guard let query = remove(handle, &core) else { return core.release(payload.lease) }
        core.counters.add(.dnsAnswers)
        let server = TransportAddress(address: query.server, port: UDP.namePort)
        sender.send(payload, from: server, to: query.guest, DatagramMarks(), &core)
    }

    /// The name service cannot take the query: the guest's resolver will ask again.
    mutating func refused(_ handle: Handle, _ core: inout StackCore) {
        if remove(handle, &core) != nil { core.counters.add(.dnsRefused) }
    }

    private mutating func remove(_ handle: Handle, _ core: inout StackCore) -> Query? {
        guard let query = queries.pointer(to: handle)?.pointee else { return nil }
        core.timers.cancel(.query(handle.slot))
        queries.remove(slot: handle.slot)
        return query
    }
}
