/// One line of the report: a feature that the machine has or lacks.
struct Finding: Equatable {
    /// The name of the feature.
    let name: String
    /// Whether the feature is present.
    let isPresent: Bool
    /// Whether `ringway run` requires the feature.
    let isRequired: Bool
    /// The details: a version, a number, the kernel's error.
    let detail: String
    /// The cost of the feature's absence; empty if it is present.
    let cost: String
    /// The remedy for the feature's absence; empty if it is present.
    let remedy: String

    static func present(_ name: String, _ detail: String, isRequired: Bool = false) -> Finding {
        Finding(name: name, isPresent: true, isRequired: isRequired, detail: detail, cost: "", remedy: "")
    }

    static func missing(
        _ name: String, _ detail: String, cost: String, remedy: String, isRequired: Bool = false
    ) -> Finding {
        Finding(name: name, isPresent: false, isRequired: isRequired, detail: detail, cost: cost, remedy: remedy)
    }
}
