/// One line of the doctor's report: something the machine offers or lacks.
struct Finding: Equatable {
    /// The name of the subject.
    let name: String
    /// Whether it is there.
    let isPresent: Bool
    /// Whether `ringway run` cannot do without it.
    let isRequired: Bool
    /// The finding: a version, a number, the kernel's error.
    let detail: String
    /// The cost of its absence; empty when it is there.
    let cost: String
    /// How to mend its absence; empty when it is there.
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
