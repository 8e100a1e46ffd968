internal import RingwayRing
internal import RingwayStorage

/// What an operation in the kernel's hands is, as its tag says.
enum Operation: UInt8 {
    /// Nobody waits for the result.
    case ignored = 0
    /// The doorbell's event.
    case bell
    /// Another shard has posted to a mailbox.
    case mail
    case linkRead, linkWrite
    /// The same where the link is a socket.
    case linkReceive, linkSend, linkDatagramRead, linkWritable
    case connect, send, receive, watch
    case accept
    case datagramReceive, datagramSend
    case pingReceive, pingSend
    /// Echo replies of a shard's raw socket, of IPv4 where the index is one.
    case rawEchoReceive
    case forwardedReceive
    case queryReceive, querySend
    /// Sockets come from inside the guest.
    case socketSupply
    /// A socket inside the guest connects; either end of a spliced stream has something.
    case splicedConnect, splicedEvent
    /// A frame goes to a neighbour, or comes from one.
    case neighborSend, neighborReceive

    @inline(__always)
    func tag(_ handle: Handle, detail: UInt8 = 0) -> OperationTag {
        OperationTag(kind: rawValue, detail: detail, generation: handle.generation, index: handle.slot)
    }

    @inline(__always)
    func tag(index: UInt32 = 0, detail: UInt8 = 0) -> OperationTag {
        OperationTag(kind: rawValue, detail: detail, index: index)
    }
}

extension OperationTag {
    @inline(__always)
    var handle: Handle { Handle(slot: index, generation: generation) }
}
