internal import RingwayStorage

/// A host socket of the model: what the engine and the kernel are to the stack, with a peer whose script is known.
final class HostSocket {
    enum End { case closed, reset, failed, connectFailed }

    /// Part of what a send under way covers.
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
    /// Bytes of the guest's stream that the peer has.
    var received = 0
    /// Bytes of the host's stream that the stack was given.
    var sent = 0
    var isSending = false
    var slices: [Slice] = []
    /// What a receive under way may give.
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
