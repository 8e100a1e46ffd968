internal import Ringway

/// The key `capture`, and the keys for the bytes kept of each frame, the size and number of files, and the filter.
enum CaptureKeys {
    private static let details = ["capture-snaplen", "capture-size", "capture-files", "capture-filter"]

    static func read(
        _ members: [String: ConfigurationNode], into configuration: inout VirtualNetwork.Configuration
    ) throws(CommandFailure) {
        if let node = members["capture"] { configuration.capture = CaptureOptions(try node.value(OptionValue.file)) }
        guard var options = configuration.capture else {
            if let node = details.lazy.compactMap({ members[$0] }).first {
                throw node.failure("there is no \"capture\" beside it; write the file to capture to as \"capture\"")
            }
            return
        }
        if let node = members["capture-snaplen"] { options.snapLength = try node.value(OptionValue.snapLength) }
        if let node = members["capture-size"] { options.fileSize = try node.value(OptionValue.captureFileSize) }
        if let node = members["capture-files"] { options.fileCount = try node.value(OptionValue.captureFileCount) }
        if let node = members["capture-filter"] { options.filter = try node.value { $0 } }
        configuration.capture = options
    }
}
