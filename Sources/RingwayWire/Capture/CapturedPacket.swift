/// A packet read from a capture file.
public struct CapturedPacket: Equatable, Sendable {
    /// The time of capture; zero in blocks without a timestamp.
    public var nanosecondsSince1970: UInt64
    /// The LINKTYPE of the packet's interface, or of a pcap file as a whole; 1 is ethernet.
    public var linkType: UInt16
    /// The length of the packet before it was truncated to the snapshot length.
    public var originalLength: Int
    /// The bytes captured.
    public var bytes: [UInt8]
    /// The direction, if the file contains it.
    public var direction: CaptureWriter.Direction?
}
