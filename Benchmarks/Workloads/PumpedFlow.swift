import RingwayStorage

/// The guest's end of a connection, with the minimum state.
struct PumpedFlow: BitwiseCopyable {
    let port: UInt16
    /// The guest's next sequence number, and its acknowledgement number.
    var guestNext: UInt32 = 1_000
    var stackNext: UInt32 = 0
    var handle = Handle(slot: 0, generation: 0)
    /// Bytes that the stack would receive from the host now.
    var asked = 0
}
