/// The sandbox of the process that runs a network, as `GET /v1/status` reports it.
public struct SandboxState: Sendable {
    /// A layer of the sandbox that the process lacks.
    public struct Missing: Sendable {
        public let layer: String
        public let reason: String

        public init(layer: String, reason: String) {
            self.layer = layer
            self.reason = reason
        }
    }

    /// "on", "off" or "log".
    public let mode: String
    /// The names of the layers in force.
    public let layers: [String]
    public let missing: [Missing]

    public init(mode: String, layers: [String], missing: [Missing]) {
        self.mode = mode
        self.layers = layers
        self.missing = missing
    }

    /// The state of a process without a sandbox.
    public static let off = SandboxState(mode: "off", layers: [], missing: [])
}
