internal import RingwayStorage

/// A socket of the model host: it stands for the engine, the kernel's socket and the socket's scripted peer.
final class HostSocket {
    enum End { case closed, reset, failed, connectFailed }

    /// A slice of a send in flight.
    struct Slice {
        var lease: Lease
        var offset: Int
        var length: Int
    }

    let identifier: Int
    let flow: Int
    let handle: Handle
    var isConnected = false
    var end: End?
    /// Bytes of the guest's stream received by the peer.
    var received = 0
    /// Bytes of the host's stream passed to the stack.
    var sent = 0
    var isSending = false
    var slices: [Slice] = []
    /// The most bytes that the receive in flight may return.
    var receiveLimit: Int?
    var sawShutdown = false
    var gaveEnd = false
    var hasError = false
    var isWatched = false

    init(identifier: Int, flow: Int, handle: Handle) {
        self.identifier = identifier
        self.flow = flow
        self.handle = handle
    }
}
