/// Why a capture did not start, as the end of an error message.
public struct CaptureFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
