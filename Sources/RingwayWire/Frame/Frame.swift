/// A virtio-net header and an ethernet frame: what one read or write on a link moves.
///
/// With the header's offloads a frame may be a *super-frame*: up to 64 KiB of one flow that a network card would cut into
/// segments of the MTU, its checksum left to be completed.
public enum Frame {
    /// Octets in the longest frame: both headers and an IP packet of 65,535 octets behind IPv6's fixed header.
    @inlinable public static var maximumLength: Int { headerLength + IPv6Header.length + 65_535 }
    /// Octets before the network header.
    @inlinable public static var headerLength: Int { VirtioNetHeader.length + EthernetHeader.length }
}
