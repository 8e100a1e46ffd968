/// The SOA record of a zone for which this service is authoritative (RFC 1035 §3.3.13). In a negative answer it
/// determines how long the answer may be cached (RFC 2308).
enum StartOfAuthority {
    /// The negative TTL in seconds. It is short, because the name of a guest exists only once the guest is attached,
    /// and a client that asks too early asks again.
    static let negativeTimeToLive: UInt32 = 5

    /// The record's data.
    ///
    /// - Parameter server: the wire name of the zone's server.
    static func data(server: [UInt8]) -> [UInt8] {
        // The zone is not transferred, so serial and intervals only have to be plausible. The mailbox does not exist
        // (RFC 6303 §3).
        let mailbox: [UInt8] = [6] + Array("nobody".utf8) + [7] + Array("invalid".utf8) + [0]
        let numbers: [UInt32] = [1, 3_600, 1_200, 604_800, negativeTimeToLive]
        return server + mailbox
            + numbers.flatMap { number in
                [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
            }
    }
}
