internal import Ringway

extension ControlledNetwork {
    /// The routes of the frame capture, of which a network has at most one.
    var captureRoutes: [Route] {
        [
            Route("GET", "/v1/capture") { (request) throws(ControlFailure) in
                try request.expectQuery()
                return .object { $0.members(ofCapture: network.capture) }
            },
            Route("PUT", "/v1/capture") { (request) throws(ControlFailure) in
                try request.expectQuery()
                let options = try CaptureMessage.read(try request.json())
                do throws(VirtualNetwork.Failure) {
                    try network.startCapture(options)
                } catch {
                    throw ControlFailure(error)
                }
                return .object { $0.members(ofCapture: network.capture) }
            },
            Route("DELETE", "/v1/capture") { (request) throws(ControlFailure) in
                try request.expectQuery()
                do throws(VirtualNetwork.Failure) {
                    let status = try network.stopCapture()
                    return .object { $0.members(ofCapture: status, isActive: false) }
                } catch {
                    throw ControlFailure(error)
                }
            },
        ]
    }
}

/// Reads the options of a capture from a request.
enum CaptureMessage {
    static func read(_ body: JSONValue) throws(ControlFailure) -> CaptureOptions {
        let fields = try Fields(body, known: ["file", "snapLength", "fileSize", "fileCount", "filter"])
        guard let path = try fields.string("file", upTo: 4_095) else { throw fields.missing("file") }
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw fields.refusal("file", "\"\(path)\" does not begin with \"/\"")
        }
        var options = CaptureOptions(path)
        if let length = try fields.integer("snapLength", in: CaptureOptions.snapLengths) { options.snapLength = length }
        options.fileSize = try fields.integer("fileSize", in: CaptureOptions.smallestFileSize...(1 << 40))
        if let count = try fields.integer("fileCount", in: 1...CaptureOptions.mostFiles) { options.fileCount = count }
        options.filter = try fields.string("filter", upTo: 4_096)
        return options
    }
}

extension JSONWriter {
    mutating func members(ofCapture status: CaptureStatus?, isActive: Bool = true) {
        member("active", status != nil && isActive)
        guard let status else { return }
        member("file", status.options.path)
        member("snapLength", status.options.snapLength)
        member("fileSize", status.options.fileSize)
        member("fileCount", status.options.fileSize == nil ? 1 : status.options.fileCount)
        member("filter", status.options.filter)
        member("startedAt", status.startedAt)
        member("frames", status.frames)
        member("dropped", status.dropped)
        member("problem", status.problem)
    }
}
