/// A shard's raw sockets for echo requests, one of each family, used if ping sockets are not permitted
/// (`net.ipv4.ping_group_range`).
///
/// An echo reply of the host wakes a shard only if it is for one of its pings, and once, regardless of their number.
struct RawEchoes {
    var ipv4 = RawEchoSocket()
    var ipv6 = RawEchoSocket()
    /// Reserved with the first socket, and released at the shard's end.
    private(set) var identifiers: EchoIdentifiers?

    subscript(isIPv4 isIPv4: Bool) -> RawEchoSocket {
        get { isIPv4 ? ipv4 : ipv6 }
        set { if isIPv4 { ipv4 = newValue } else { ipv6 = newValue } }
    }

    /// The identifier for the ping in a slot, whose socket is then open; `nil` on failure.
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
