import RingwayModel
import RingwayStorage
import RingwayWire

/// A message from one shard to another, in the layout of the engine's own.
struct HandedFrame: BitwiseCopyable, Sendable {
    enum Kind: UInt8, BitwiseCopyable { case frame, leases, accepted }

    var kind: Kind
    var lease: Lease
    var length: UInt32 = 0
    var descriptor: Int32 = -1
    var summary = FrameSummary()
    var client = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    var guest = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)

    init(_ kind: Kind, _ lease: Lease) {
        self.kind = kind
        self.lease = lease
    }
}
