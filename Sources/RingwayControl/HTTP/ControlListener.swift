internal import Glibc
public import Ringway

/// A control socket that is bound and listens, before a server accepts from it: clients that connect wait.
///
/// It costs next to nothing, while a server takes threads. So a short-lived network can have the one at once, and the
/// other when the descriptor is readable: when the first client has come.
public struct ControlListener: Sendable {
    /// Connections that may wait to be accepted.
    static var backlog: Int32 { 256 }

    /// Readable when a client has connected.
    public let descriptor: Int32
    let file: SocketFile

    public var path: String { file.path }

    /// Makes the socket. One that an ended process has left is replaced, a live one never.
    ///
    /// - Parameter path: the socket, whose directory must exist.
    public init(at path: String) throws(VirtualNetwork.Failure) {
        (descriptor, file) = try SocketFile.listenPrivately(path, backlog: Self.backlog)
    }

    /// Ends a listener that no server has adopted.
    public func close() {
        Glibc.close(descriptor)
        file.remove()
    }
}
