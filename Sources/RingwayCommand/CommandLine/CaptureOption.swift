internal import ArgumentParser
internal import Ringway

/// The options of a capture, besides the file.
struct CaptureOptionGroup: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep so many bytes of each frame, 14 to 262144. (default: all of them)", valueName: "bytes"),
        transform: OptionValue.snapLength)
    var captureSnaplen: Int?

    @Option(
        help: ArgumentHelp(
            "Begin another file when one has so many bytes, such as 100M; the older ones are FILE.1, FILE.2 and so on. "
                + "(default: one file without a bound)", valueName: "size"),
        transform: OptionValue.captureFileSize)
    var captureSize: Int?

    @Option(
        help: ArgumentHelp(
            "Keep so many files with --capture-size, 1 to 1000; the oldest is removed. (default: 2)",
            valueName: "count"),
        transform: OptionValue.captureFileCount)
    var captureFiles: Int?

    @Option(
        help: ArgumentHelp(
            "Capture only frames that match this expression in tcpdump's language, such as \"udp port 53\". It needs "
                + "the library libpcap.", valueName: "expression"))
    var captureFilter: String?

    /// The options of a capture to this file; `nil` without a file.
    func options(for file: String?) -> CaptureOptions? {
        guard let file else { return nil }
        var options = CaptureOptions(file)
        if let captureSnaplen { options.snapLength = captureSnaplen }
        options.fileSize = captureSize
        if let captureFiles { options.fileCount = captureFiles }
        options.filter = captureFilter
        return options
    }

    /// Throws if an option is given without the option that it needs.
    ///
    /// - Parameter hasFile: whether a capture file was given.
    func check(hasFile: Bool) throws {
        let given = [
            ("--capture-snaplen", captureSnaplen != nil), ("--capture-size", captureSize != nil),
            ("--capture-files", captureFiles != nil), ("--capture-filter", captureFilter != nil),
        ]
        if !hasFile, let (name, _) = given.first(where: \.1) {
            throw ValidationError("\(name) needs --capture FILE")
        }
        guard captureFiles == nil || captureSize != nil else {
            throw ValidationError("--capture-files needs --capture-size SIZE")
        }
    }
}
