/// Octets read front to back; past the end everything is zero, so that every script means something.
struct ScriptReader {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ octets: UnsafeRawBufferPointer) { rest = octets[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func octet() -> UInt8 { rest.popFirst() ?? 0 }

    /// An unsigned integer of `count` octets, the lowest first.
    mutating func integer(_ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(octet()) << UInt64(8 * index) }
        return value
    }

    mutating func octets(_ count: Int) -> [UInt8] {
        let taken = [UInt8](rest.prefix(count))
        rest = rest.dropFirst(count)
        return taken
    }
}

/// The steps of a script: what happens to the stack next. The raw value is the low half of a step's first octet.
enum ScriptStep: UInt8 {
    /// A frame from the guest: two octets of length, then the frame, virtio-net header first. With the step's high bit
    /// its checksums are put right, so that mutation does not end at the parser.
    case frame
    /// Six octets of nanoseconds pass.
    case time
    /// The turn ends: timers, acknowledgements.
    case turn
    /// Socket, answer: an attempt to connect ends.
    case connected
    /// Socket, two octets of count: a send ends.
    case sent
    /// Socket, two octets of count: a receive ends.
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

/// A precondition that says what it is about in optimised builds too.
func demand(_ condition: Bool, _ text: @autoclosure () -> String = "a range outside its buffer") {
    if !condition { fatalError(text()) }
}
