/// The machines that may connect by vsock.
///
/// The kernel sets a peer's CID, so the peer cannot forge it (vsock(7)). Otherwise vsock has no access control: every
/// virtual machine and every program on this machine can connect to a port, whatever the permissions of /dev/vsock
/// are.
public struct VsockPeers: Hashable, Sendable {
    /// The CID by which programs on this machine reach each other (VMADDR_CID_LOCAL). Any program may use it without
    /// special permission.
    public static var local: UInt32 { 1 }
    /// The CID of a virtual machine's host.
    public static var host: UInt32 { 2 }

    /// The permitted CIDs. An empty set permits every virtual machine.
    private let machines: Set<UInt32>

    /// - Parameter machines: the permitted CIDs. An empty set permits every virtual machine, but no program on this
    ///   machine.
    public init(_ machines: Set<UInt32> = []) { self.machines = machines }

    /// Whether a peer may connect.
    ///
    /// - Parameters:
    ///   - peer: the peer's CID; negative if it has none.
    ///   - own: this machine's own CID; negative if unknown. A program on this machine may connect from this CID, and
    ///     then counts as `local`.
    public func admits(_ peer: Int64, own: Int64) -> Bool {
        guard let cid = UInt32(exactly: peer) else { return false }
        if cid == Self.local || peer == own { return machines.contains(Self.local) }
        return machines.isEmpty ? cid > Self.host : machines.contains(cid)
    }
}
