/// A step of a script: the next event that the stack gets. The raw value is the low four bits of a step's first byte.
enum ScriptStep: UInt8 {
    /// A frame from the guest: two bytes of length, then the frame, virtio-net header first. If the step's high bit is
    /// set, checksums are corrected, so that the parser does not reject every mutation.
    case frame
    /// Time passes: six bytes of nanoseconds.
    case time
    /// The turn ends: timers run, and acknowledgements are sent.
    case turn
    /// A connect completes. Arguments: socket, result.
    case connected
    /// A send completes. Arguments: socket, two bytes of count.
    case sent
    /// A receive completes. Arguments: socket, two bytes of count.
    case received
    /// End of file. Argument: socket.
    case ended
    /// An error. Argument: socket.
    case failed
    /// A receive found no buffer. Argument: socket.
    case starved
    /// A client of a published port connects. Argument: client.
    case opened
    /// The guest sends a TCP segment. Its sequence and acknowledgement numbers are relative to those of the stack's
    /// last segment. Arguments: flow, flags, two offsets, window, length, options.
    case segment
    /// The socket of a UDP mapping receives a datagram. Arguments of this step and those below: object, two bytes of
    /// count, one byte whose meaning depends on the step.
    case datagram
    /// A published UDP port receives a client's datagram.
    case forwarded
    /// The name service answers a query, or refuses it if the high bit is set or no buffer is free.
    case answered
    /// A ping is answered, or fails if the high bit is set.
    case echoed
    /// A datagram socket reports an error; if the high bit is set, a published UDP port opens or closes.
    case undelivered
}
