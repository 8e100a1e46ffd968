/// The raw sockets for the echo requests of a guest on one shard: one for each address family, used if the host permits
/// no ping sockets (`net.ipv4.ping_group_range`).
///
/// The kernel filters by identifier, so an echo reply that arrives at the host wakes the shard only if its identifier
/// is in this guest's block. All pings of a family share one socket, so such a reply is received once, not once for
/// each ping.
struct RawEchoes {
    var ipv4 = RawEchoSocket()
    var ipv6 = RawEchoSocket()
    /// The block of echo identifiers: reserved when the first socket is opened, and released at the end of the guest.
    private(set) var identifiers: EchoIdentifiers?

    subscript(isIPv4 isIPv4: Bool) -> RawEchoSocket {
        get { isIPv4 ? ipv4 : ipv6 }
        set { if isIPv4 { ipv4 = newValue } else { ipv6 = newValue } }
    }

    /// Opens the family's socket if necessary. Returns the identifier for the ping in a slot; `nil` on failure.
    ///
    /// - Parameter pings: the number of slots.
    mutating func join(isIPv4: Bool, slot: UInt32, pings: Int) -> UInt16? {
        if identifiers == nil { identifiers = EchoIdentifiers.take(atLeast: pings) }
        guard let identifiers, let identifier = identifiers.identifier(ofSlot: slot) else { return nil }
        if self[isIPv4: isIPv4].descriptor < 0 {
            guard self[isIPv4: isIPv4].open(ipv4: isIPv4, identifiers) else { return nil }
        }
        self[isIPv4: isIPv4].users += 1
        return identifier
    }

    mutating func closeDescriptors(_ close: (Int32) -> Void) {
        if ipv4.descriptor >= 0 { close(ipv4.relinquish()) }
        if ipv6.descriptor >= 0 { close(ipv6.relinquish()) }
        identifiers?.release()
        identifiers = nil
    }
}
