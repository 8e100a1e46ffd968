internal import Glibc
public import Ringway

/// A bound and listening control socket from which no server accepts yet. Clients wait in its listen queue.
///
/// A listener costs almost nothing, while a server needs threads. A short-lived network therefore creates a listener
/// immediately, and starts the server when the descriptor becomes readable, with the first client.
public struct ControlListener: Sendable {
    /// The listen backlog.
    static var backlog: Int32 { 256 }

    /// Readable when a client has connected.
    public let descriptor: Int32
    let file: SocketFile

    public var path: String { file.path }

    /// Creates the socket. A socket file left by an ended process is replaced. It is an error if a process listens at
    /// the socket.
    ///
    /// - Parameter path: the path of the socket file; its directory must exist.
    public init(at path: String) throws(VirtualNetwork.Failure) {
        (descriptor, file) = try SocketFile.listenPrivately(path, backlog: Self.backlog)
    }

    /// Closes a listener that no server serves, and removes its socket file.
    public func close() {
        Glibc.close(descriptor)
        file.remove()
    }
}
