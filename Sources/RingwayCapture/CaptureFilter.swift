internal import CRingway

/// Selects the frames to capture: all, or those that match an expression in tcpdump's language.
struct CaptureFilter: ~Copyable {
    /// Bytes of a frame that an expression may inspect, even if fewer are captured.
    private static var inspected: Int { 512 }

    private let program: OpaquePointer?

    /// Compiles an expression.
    ///
    /// - Parameters:
    ///   - expression: `nil` for every frame.
    ///   - snapLength: the most bytes of a frame that are captured.
    init(_ expression: String?, snapLength: Int) throws(CaptureFailure) {
        guard let expression else {
            program = nil
            return
        }
        let length = Int32(max(snapLength, Self.inspected))
        var compiled: OpaquePointer?
        let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer -> String in
            buffer.initialize(repeating: 0)
            compiled = ringway_filter_compile(expression, length, buffer.baseAddress, buffer.count)
            return compiled == nil ? buffer.baseAddress.map { String(cString: $0) } ?? "" : ""
        }
        guard let compiled else { throw CaptureFailure("the capture filter \"\(expression)\": \(reason)") }
        program = compiled
    }

    deinit { ringway_filter_free(program) }

    /// The number of bytes at the start of a frame that `passes` needs; zero if every frame passes.
    var inspectedLength: Int { program == nil ? 0 : Self.inspected }

    /// Whether a frame is to be captured.
    ///
    /// - Parameters:
    ///   - frame: at least the first `inspectedLength` bytes of the frame, or the whole frame if it is shorter.
    ///   - length: the length of the whole frame.
    borrowing func passes(_ frame: UnsafeRawBufferPointer, length: Int) -> Bool {
        guard let program, let start = frame.baseAddress else { return true }
        return ringway_filter_matches(
            program, start, UInt32(truncatingIfNeeded: length), UInt32(truncatingIfNeeded: frame.count)) != 0
    }
}
