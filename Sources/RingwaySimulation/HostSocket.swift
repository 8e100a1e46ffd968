internal import RingwayStorage

/// A host's socket in the simulation of the stack. It models the engine's operations, the kernel and the far end.
final class HostSocket {
    enum End { case closed, reset, failed, connectFailed }

    /// A part of a buffer that a send in flight refers to.
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
