/// The fields of a resource record that a forwarder needs.
struct ResourceRecord: Equatable {
    /// The record's range in its message.
    let range: Range<Int>
    /// Whether the owner name is the root, as required for an OPT record.
    let isOwnedByRoot: Bool
    let type: UInt16
    let recordClass: UInt16
    /// The TTL in seconds; flags and version in an OPT record.
    let timeToLive: UInt32

    /// The record types that this module interprets.
    enum RecordType {
        static let address: UInt16 = 1
        static let nameServer: UInt16 = 2
        static let startOfAuthority: UInt16 = 6
        static let pointer: UInt16 = 12
        static let address6: UInt16 = 28
        static let extended: UInt16 = 41
        static let incrementalTransfer: UInt16 = 251
        static let transfer: UInt16 = 252
        static let any: UInt16 = 255
    }

    /// The record classes that this module interprets.
    enum RecordClass {
        static let internet: UInt16 = 1
        static let any: UInt16 = 255
    }
}
