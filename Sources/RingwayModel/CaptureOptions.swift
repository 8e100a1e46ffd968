/// The options of a capture: which frames, and into which files.
public struct CaptureOptions: Hashable, Sendable {
    /// The smallest bound of a file's size: less than one super-frame would not fit.
    public static var smallestFileSize: Int { 1 << 20 }
    /// The most files that a rotation keeps.
    public static var mostFiles: Int { 1_000 }
    /// The range of `snapLength`: an ethernet header at least.
    public static var snapLengths: ClosedRange<Int> { 14...262_144 }

    /// The pcapng file that is written. With a rotation the older ones are `path.1`, `path.2` and so on.
    public var path: String
    /// Bytes of each frame that are kept.
    public var snapLength = 262_144
    /// Bytes after which another file is begun; `nil` for one file without a bound.
    public var fileSize: Int?
    /// Files that are kept in all, the one being written included; has a meaning with `fileSize` only.
    public var fileCount = 2
    /// An expression in tcpdump's language (pcap-filter(7)); `nil` for every frame.
    public var filter: String?

    /// Every frame, whole, in one file.
    public init(_ path: String) { self.path = path }
}

/// How a capture is doing.
public struct CaptureStatus: Sendable {
    public let options: CaptureOptions
    /// Seconds since 1970.
    public let startedAt: Int
    /// Frames in the files, those that were rotated out included.
    public let frames: Int
    /// Frames that were wanted and are not in the files, for want of memory or room on the disk.
    public let dropped: Int
    /// Why frames are lost at the moment; `nil` when they are not.
    public let problem: String?

    package init(options: CaptureOptions, startedAt: Int, frames: Int, dropped: Int, problem: String?) {
        self.options = options
        self.startedAt = startedAt
        self.frames = frames
        self.dropped = dropped
        self.problem = problem
    }
}
