public import RingwayStorage
public import RingwayWire

/// A DNS query that the gateway's name service is at work on: who asked, and which of the gateway's addresses.
@frozen
public struct NameQuery: BitwiseCopyable {
    public var guest: TransportAddress
    public var server: IPAddress
}

/// The gateway's port 53 over UDP. The answers come from the control plane, by tag.
extension Stack {
    /// Nanoseconds after which a query without an answer is forgotten: a second after the resolver gives it up.
    private var queryTimeout: UInt64 { timeouts.dns &+ 1_000_000_000 }

    /// Takes the lease.
    mutating func receiveQuery(_ summary: FrameSummary, _ lease: Lease) {
        let query = NameQuery(
            guest: TransportAddress(address: summary.source, port: summary.sourcePort),
            server: summary.destination)
        guard summary.segmentSize == 0, let handle = queries.insert(query) else {
            counters.add(.dnsRefused)
            return release(lease)
        }
        counters.add(.dnsQueries)
        wheel.schedule(queryTimers + handle.slot, at: now &+ queryTimeout)
        var effect = Effect(.query, handle)
        effect.lease = lease
        effect.length = summary.payloadLength
        effect.offset = UInt32(summary.payloadOffset) + UInt32(VirtioNetHeader.length)
        effects.append(effect)
    }

    mutating func runQueryTimer(slot: UInt32) {
        guard queries.pointer(inSlot: slot) != nil else { return }
        counters.add(.dnsUnanswered)
        queries.remove(slot: slot)
    }

    /// The name service answered, or refused to take the query. Takes the lease; the answer lies behind at least
    /// `headroom` octets.
    public mutating func queryAnswered(_ handle: Handle, _ lease: Lease, offset: Int, length: Int) {
        guard let query = queries.pointer(to: handle)?.pointee else { return release(lease) }
        wheel.cancel(queryTimers + handle.slot)
        queries.remove(slot: handle.slot)
        counters.add(.dnsAnswers)
        sendDatagram(
            to: query.guest, from: TransportAddress(address: query.server, port: 53), lease, offset: offset,
            length: length, segmentSize: 0)
    }

    /// The name service cannot take the query: the guest's resolver will ask again.
    public mutating func queryRefused(_ handle: Handle) {
        guard queries.pointer(to: handle) != nil else { return }
        wheel.cancel(queryTimers + handle.slot)
        queries.remove(slot: handle.slot)
        counters.add(.dnsRefused)
    }
}
