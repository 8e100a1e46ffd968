/// The fields of a message's OPT record (RFC 6891 §6.1).
struct ExtendedOptions: Equatable {
    /// The supported EDNS version.
    static let supportedVersion: UInt8 = 0

    /// Response code 16, "bad version": its upper eight bits travel in the OPT record (RFC 6891 §9).
    static let badVersionUpperBits: UInt8 = 1

    /// The payload size in our own OPT records: it fits any path without fragmentation (the value of the 2020 DNS flag
    /// day).
    static let ownPayloadSize: UInt16 = 1232

    /// The largest datagram that the sender accepts.
    let payloadSize: UInt16
    let version: UInt8
    let wantsSecurityRecords: Bool

    init(_ record: ResourceRecord) {
        payloadSize = record.recordClass
        version = UInt8(truncatingIfNeeded: record.timeToLive >> 16)
        wantsSecurityRecords = record.timeToLive & 0x8000 != 0
    }

    /// The OPT record for the reply to a message with this OPT record. It has no options and `ownPayloadSize`, and
    /// repeats the DO bit (RFC 3225 §3).
    func reply(upperResponseBits: UInt8 = 0) -> [UInt8] {
        let size = Self.ownPayloadSize
        return [
            0, 0, UInt8(ResourceRecord.RecordType.extended), UInt8(size >> 8), UInt8(size & 0xFF),
            upperResponseBits, Self.supportedVersion, wantsSecurityRecords ? 0x80 : 0, 0, 0, 0,
        ]
    }
}
