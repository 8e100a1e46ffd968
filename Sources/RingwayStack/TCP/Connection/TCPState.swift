/// The states of RFC 9293 §3.3.2, and two more: `connecting` and `draining`. LISTEN and CLOSED have no connection.
public enum TCPState: UInt8, Sendable, BitwiseCopyable {
    /// The guest's SYN has arrived and the host socket is connecting; SYN-ACK is sent when the socket is connected.
    case connecting
    /// The stack sent SYN for a connection opened from the host's side.
    case synSent
    /// SYN-ACK is sent but not acknowledged.
    case synReceived
    case established
    /// The stack's FIN is sent (the host closed) but not acknowledged; the guest may still send.
    case finWait1
    /// The stack's FIN is acknowledged; the guest may still send.
    case finWait2
    /// The guest's FIN has arrived; the host may still send.
    case closeWait
    /// Both FINs were sent; the stack's is not acknowledged.
    case closing
    /// The guest closed first; the stack's FIN is sent but not acknowledged.
    case lastAck
    /// Both directions are closed; late segments are still answered for a while.
    case timeWait
    /// The guest's side is finished; bytes that it sent are still written to the host.
    case draining
}
