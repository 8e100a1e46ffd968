internal import ArgumentParser
internal import Glibc
internal import Ringway
internal import RingwayControl

/// `ringway capture`: captures frames of a running network to a file.
struct CaptureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Write the frames of a running network to a file.",
        usage: "ringway capture (start | stop | status) [<options>] ...",
        discussion: HelpText.capture,
        subcommands: [CaptureStart.self, CaptureStop.self, CaptureStatusCommand.self])
}

/// `ringway capture start`: starts a capture.
struct CaptureStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Begin to write frames to a file.",
        usage: "ringway capture start [<options>] <file>", discussion: HelpText.captureStart)

    @OptionGroup var control: ControlOptions

    @Option(
        help: ArgumentHelp(
            "Keep at most this many bytes of each frame, 14 to 262144. (default: all)", valueName: "bytes"),
        transform: OptionValue.snapLength)
    var snaplen: Int?

    @Option(
        help: ArgumentHelp(
            "Begin another file when one has so many bytes, such as 100M; the older ones are FILE.1, FILE.2 and so on.",
            valueName: "size"),
        transform: OptionValue.captureFileSize)
    var size: Int?

    @Option(
        help: ArgumentHelp("Keep at most this many files with --size, 1 to 1000. (default: 2)", valueName: "count"),
        transform: OptionValue.captureFileCount)
    var files: Int?

    @Option(
        help: ArgumentHelp(
            "Capture only frames that match this expression in tcpdump's language.", valueName: "expression"))
    var filter: String?

    @Argument(
        help: ArgumentHelp("The pcapng file, which is overwritten.", valueName: "file"), transform: OptionValue.file)
    var file: String

    func validate() throws {
        guard files == nil || size != nil else { throw ValidationError("--files needs --size SIZE") }
    }

    func run() throws {
        let path = try Self.absolute(file)
        let body = JSONWriter.text { writer in
            writer.object { writer in
                writer.member("file", path)
                writer.member("snapLength", snaplen)
                writer.member("fileSize", size)
                writer.member("fileCount", files)
                writer.member("filter", filter)
            }
        }
        let capture = try control.client().ask("PUT", "/v1/capture", body: body)
        print("frames are captured to \(capture["file"]?.text ?? path)")
    }

    /// The absolute path of a file, because another process writes it, with another working directory.
    private static func absolute(_ file: String) throws(CommandFailure) -> String {
        if file.hasPrefix("/") { return file }
        guard let directory = getcwd(nil, 0) else {
            throw CommandFailure("cannot find the working directory: \(String(cString: strerror(errno)))")
        }
        defer { free(directory) }
        return "\(SystemText.text(directory))/\(file)"
    }
}

/// `ringway capture stop`: ends the capture.
struct CaptureStop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "End the capture; its file is complete when the command ends.")

    @OptionGroup var control: ControlOptions

    func run() throws {
        let capture = try control.client().ask("DELETE", "/v1/capture")
        print(CaptureStatusCommand.summary(capture))
    }
}

/// `ringway capture status`: shows the running capture.
struct CaptureStatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show whether frames are captured, to which file, and how many were lost.")

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the response of the control API, one JSON object.")
    var json = false

    func run() throws {
        let client = try control.client()
        if json { return print(try client.text("/v1/capture")) }
        let capture = try client.ask("GET", "/v1/capture")
        guard capture["active"] == .bool(true) else { return print("no frames are captured") }
        print(Self.summary(capture))
        if let problem = capture["problem"]?.text { print("frames are being lost: \(problem)") }
    }

    static func summary(_ capture: JSONValue) -> String {
        "\(capture["file"]?.text ?? "?"): \(capture["frames"]?.int ?? 0) frames, \(capture["dropped"]?.int ?? 0) lost"
    }
}
