/// The options of a capture: which frames, and into which files.
public struct CaptureOptions: Hashable, Sendable {
    /// The least value of `fileSize`, in bytes.
    public static var smallestFileSize: Int { 1 << 20 }
    /// The most files of a rotation.
    public static var mostFiles: Int { 1_000 }
    /// The range of `snapLength` in bytes. The minimum is the length of an ethernet header.
    public static var snapLengths: ClosedRange<Int> { 14...262_144 }

    /// The pcapng file. In a rotation, older files are `path.1`, `path.2` and so on.
    public var path: String
    /// Bytes to capture of each frame.
    public var snapLength = 262_144
    /// Bytes after which a new file is started; `nil` for one file without a limit.
    public var fileSize: Int?
    /// The number of files in a rotation, including the current one; used with `fileSize` only.
    public var fileCount = 2
    /// An expression in tcpdump's language (pcap-filter(7)); `nil` for every frame.
    public var filter: String?

    /// A capture of every frame, whole, to one file.
    public init(_ path: String) { self.path = path }
}

/// The state of a capture.
public struct CaptureStatus: Sendable {
    public let options: CaptureOptions
    /// Seconds since 1970.
    public let startedAt: Int
    /// Frames written so far, including those in files that the rotation has deleted.
    public let frames: Int
    /// Frames lost because the capture's buffer was full or a write to the file failed. While the buffer is full,
    /// frames that do not match the filter count, too.
    public let dropped: Int
    /// The error of the last write to the file, such as a full disk; `nil` if that write succeeded.
    public let problem: String?

    package init(options: CaptureOptions, startedAt: Int, frames: Int, dropped: Int, problem: String?) {
        self.options = options
        self.startedAt = startedAt
        self.frames = frames
        self.dropped = dropped
        self.problem = problem
    }
}
