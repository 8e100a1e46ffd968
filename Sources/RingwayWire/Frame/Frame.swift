/// A virtio-net header and an ethernet frame: the unit of a read or write on a link.
///
/// With the header's offloads a frame may be a *super-frame*: up to 64 KiB of one flow, unsegmented and with a partial
/// checksum.
public enum Frame {
    /// The length of the longest frame: virtio-net, ethernet and fixed IPv6 header, and a payload of 65,535 bytes.
    @inlinable public static var maximumLength: Int { headerLength + IPv6Header.length + 65_535 }
    /// Bytes before the network header.
    @inlinable public static var headerLength: Int { VirtioNetHeader.length + EthernetHeader.length }
}
