/// What the OPT record of a message says (RFC 6891 §6.1).
struct ExtendedOptions: Equatable {
    /// The version this module speaks.
    static let supportedVersion: UInt8 = 0

    /// Response code 16, "bad version": its upper eight bits travel in the OPT record (RFC 6891 §9).
    static let badVersionUpperBits: UInt8 = 1

    /// The largest answer we say we take when we speak for ourselves: what passes any path unfragmented
    /// (the value of the 2020 DNS flag day).
    static let ownPayloadSize: UInt16 = 1232

    /// Bytes the sender can take in a datagram.
    let payloadSize: UInt16
    let version: UInt8
    let wantsSecurityRecords: Bool

    init(_ record: ResourceRecord) {
        payloadSize = record.recordClass
        version = UInt8(truncatingIfNeeded: record.timeToLive >> 16)
        wantsSecurityRecords = record.timeToLive & 0x8000 != 0
    }

    /// The OPT record that answers this one: no options, our own size, the DO bit repeated (RFC 3225 §3).
    func reply(upperResponseBits: UInt8 = 0) -> [UInt8] {
        let size = Self.ownPayloadSize
        return [
            0, 0, UInt8(ResourceRecord.RecordType.extended), UInt8(size >> 8), UInt8(size & 0xFF),
            upperResponseBits, Self.supportedVersion, wantsSecurityRecords ? 0x80 : 0, 0, 0, 0,
        ]
    }
}
