/// Which machines may be at the other end of a vsock.
///
/// The kernel vouches for a peer's CID (vsock(7)), and a port is open to every machine and every program that has a vsock:
/// neither /dev/vsock nor a port number restricts access.
public struct VsockPeers: Hashable, Sendable {
    /// The CID of this machine's own programs, which need no right to use it.
    public static var local: UInt32 { 1 }
    /// The CID of a virtual machine's host.
    public static var host: UInt32 { 2 }

    /// Empty for every virtual machine.
    private let machines: Set<UInt32>

    /// - Parameter machines: the CIDs that are let in; none for every virtual machine, but not this machine itself.
    public init(_ machines: Set<UInt32> = []) { self.machines = machines }

    /// Whether a peer is let in.
    ///
    /// - Parameters:
    ///   - peer: its CID; negative where it has none.
    ///   - own: this machine's own CID, which its programs may have too; negative where it is not known.
    public func admits(_ peer: Int64, own: Int64) -> Bool {
        guard let cid = UInt32(exactly: peer) else { return false }
        if cid == Self.local || peer == own { return machines.contains(Self.local) }
        return machines.isEmpty ? cid > Self.host : machines.contains(cid)
    }
}
