internal import Glibc

/// Why a TAP could not be made or configured: what was being done, and the kernel's answer.
public struct TapFailure: Error, Equatable, Sendable {
    /// The step that failed, as the object of a sentence: "open /dev/net/tun".
    public let step: String

    /// The kernel's error number.
    public let errorNumber: Int32

    /// The kernel's own words beyond the number, where it gave any.
    public let explanation: String?

    /// A failure of `step`, with the error number that the last system call left unless another is given.
    public init(_ step: String, errorNumber: Int32? = nil, explanation: String? = nil) {
        self.errorNumber = errorNumber ?? errno
        self.step = step
        self.explanation = explanation
    }
}

extension TapFailure: CustomStringConvertible {
    /// One line: "cannot STEP: REASON".
    public var description: String {
        let reason = String(cString: strerror(errorNumber))
        guard let explanation else { return "cannot \(step): \(reason)" }
        return "cannot \(step): \(reason) (\(explanation))"
    }
}
