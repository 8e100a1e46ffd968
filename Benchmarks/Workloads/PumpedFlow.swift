import RingwayStorage

/// The guest's end of a connection, as little of it as keeps the stack going.
struct PumpedFlow: BitwiseCopyable {
    let port: UInt16
    /// What the guest sends next, and what it has received up to.
    var guestNext: UInt32 = 1_000
    var stackNext: UInt32 = 0
    var handle = Handle(slot: 0, generation: 0)
    /// Bytes that the stack would receive from the host now.
    var asked = 0
}
