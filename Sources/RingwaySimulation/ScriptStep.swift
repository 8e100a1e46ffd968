/// The steps of a script: what happens to the stack next. The raw value is the low half of a step's first byte.
enum ScriptStep: UInt8 {
    /// A frame from the guest: two bytes of length, then the frame, virtio-net header first. With the step's high bit
    /// its checksums are put right, so that mutation does not end at the parser.
    case frame
    /// Six bytes of nanoseconds pass.
    case time
    /// The turn ends: timers, acknowledgements.
    case turn
    /// Socket, answer: an attempt to connect ends.
    case connected
    /// Socket, two bytes of count: a send ends.
    case sent
    /// Socket, two bytes of count: a receive ends.
    case received
    /// Socket: end of file.
    case ended
    /// Socket: failure.
    case failed
    /// Socket: a receive found no buffer.
    case starved
    /// Client: a client of a published port comes.
    case opened
    /// A segment relative to what the stack sent last: flow, flags, two offsets, window, length, options.
    case segment
    /// A datagram for a mapping.
    case datagram
    /// A datagram of a client of a published port.
    case forwarded
    /// The name service answers or refuses.
    case answered
    /// A ping is answered or fails.
    case echoed
    /// Something about a datagram socket goes wrong.
    case undelivered
}
