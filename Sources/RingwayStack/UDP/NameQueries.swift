internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// The gateway's DNS service over UDP port 53: a query is passed to the resolver with a handle, which is returned with
/// the answer.
struct NameQueries: ~Copyable {
    /// A query in progress: its sender, and the gateway's address to which it was sent.
    struct Query: BitwiseCopyable {
        var guest: TransportAddress
        var server: IPAddress
    }

    private var queries: Slab<Query>
    /// The timeout of a query, nanoseconds: a second longer than the resolver's own timeout, so that a late answer of
    /// the resolver still finds the query.
    private let timeout: UInt64

    init(_ limits: Limits, capacity: Int) throws(MemoryFailure) {
        queries = try Slab<Query>(capacity: capacity)
        timeout = SilenceTimeouts(limits).dns &+ 1_000_000_000
    }

    /// Passes a query to the resolver. Takes ownership of the lease.
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

    /// Sends the resolver's answer. Takes ownership of the lease.
    mutating func answered(
        _ handle: Handle, _ payload: DatagramPayload, _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        guard let query = remove(handle, &core) else { return core.release(payload.lease) }
        core.counters.add(.dnsAnswers)
        let server = TransportAddress(address: query.server, port: UDP.namePort)
        sender.send(payload, from: server, to: query.guest, DatagramMarks(), &core)
    }

    /// The resolver cannot accept the query; the guest's resolver will repeat it.
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
