/// The states of RFC 9293 §3.3.2, as a gateway meets them, and one of its own: `connecting`, while the guest's SYN
/// waits for the host socket to connect. LISTEN and CLOSED have no connection to be the state of.
public enum TCPState: UInt8, Sendable, BitwiseCopyable {
    /// The guest's SYN has come, the host socket is connecting: the guest hears nothing until it has.
    case connecting
    /// We sent SYN for a connection that the host side opened.
    case synSent
    /// SYN-ACK is sent, its acknowledgement awaited.
    case synReceived
    case established
    /// Our FIN is sent (the host ended), unacknowledged; the guest still sends.
    case finWait1
    /// Our FIN is acknowledged; the guest still sends.
    case finWait2
    /// The guest's FIN has come; the host still sends.
    case closeWait
    /// Both FINs have crossed, ours is unacknowledged.
    case closing
    /// The guest ended first, our FIN is unacknowledged.
    case lastAck
    /// Both directions have ended; stray segments are still answered for a while.
    case timeWait
    /// The guest has nothing more to hear; bytes it sent still go to the host.
    case draining
}
