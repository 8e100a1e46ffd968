/// A packet read from a capture file.
public struct CapturedPacket: Equatable, Sendable {
    /// When it was seen; zero in blocks without a time stamp.
    public var nanosecondsSince1970: UInt64
    /// The LINKTYPE of its interface; 1 is ethernet.
    public var linkType: UInt16
    /// Octets it had before it was cut to what is kept.
    public var originalLength: Int
    /// What is kept of it.
    public var bytes: [UInt8]
    /// Which way it went, where the file says so.
    public var direction: CaptureWriter.Direction?
}
