/// The machines that may connect by vsock.
///
/// The kernel guarantees a peer's CID (vsock(7)), but a port is open to every machine and every program that has a
/// vsock: neither the permissions of /dev/vsock nor a port number restrict access.
public struct VsockPeers: Hashable, Sendable {
    /// The CID by which programs on this machine reach each other (VMADDR_CID_LOCAL). They need no permission to use
    /// vsock.
    public static var local: UInt32 { 1 }
    /// The CID of a virtual machine's host.
    public static var host: UInt32 { 2 }

    /// The permitted CIDs; empty for every virtual machine.
    private let machines: Set<UInt32>

    /// - Parameter machines: the permitted CIDs; empty for every virtual machine, but not this machine itself.
    public init(_ machines: Set<UInt32> = []) { self.machines = machines }

    /// Whether a peer may connect.
    ///
    /// - Parameters:
    ///   - peer: its CID; negative if it has none.
    ///   - own: this machine's own CID, which its programs may have, too; negative if unknown.
    public func admits(_ peer: Int64, own: Int64) -> Bool {
        guard let cid = UInt32(exactly: peer) else { return false }
        if cid == Self.local || peer == own { return machines.contains(Self.local) }
        return machines.isEmpty ? cid > Self.host : machines.contains(cid)
    }
}
