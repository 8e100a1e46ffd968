/// Why a capture did not start. `description` completes the caller's error message.
public struct CaptureFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
