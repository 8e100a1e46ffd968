/// The system calls that a seccomp filter lets through, and what becomes of all others.
///
/// The lists are declared by name, and grouped by what needs them. A name that the machine's architecture does not have,
/// such as `poll` on arm64, is left out of the filter there.
public struct SystemCallList: Sendable {
    /// System calls of one purpose.
    public struct Group: Sendable {
        /// What needs the calls.
        public let purpose: String
        public let calls: [Call]

        public init(_ purpose: String, _ calls: [Call]) {
            self.purpose = purpose
            self.calls = calls
        }

        /// The group without some calls; `nil` if none is left.
        func without(_ names: Set<String>) -> Group? {
            let rest = calls.filter { !names.contains($0.name) }
            return rest.isEmpty ? nil : Group(purpose, rest)
        }
    }

    /// A system call, which conditions may restrict to certain arguments.
    public struct Call: Sendable, ExpressibleByStringLiteral {
        public let name: String
        /// The call is let through if all conditions of one alternative hold, or if there are no alternatives.
        public let alternatives: [[Condition]]

        public init(stringLiteral name: String) { self.init(name) }

        public init(_ name: String, _ alternatives: [[Condition]] = []) {
            self.name = name
            self.alternatives = alternatives
        }
    }

    /// A condition on one argument of a call. The argument with the index `argument`, masked by `mask`, must be
    /// `value`.
    public struct Condition: Sendable, Equatable {
        public let argument: UInt32
        public let mask: UInt64
        public let value: UInt64

        public init(_ argument: UInt32, mask: UInt64 = 0xFFFF_FFFF, is value: UInt64) {
            self.argument = argument
            self.mask = mask
            self.value = value
        }
    }

    /// What becomes of a system call that the list lacks.
    public enum Refusal: Sendable {
        /// The call fails with ENOSYS, as on a kernel without it, so that libraries fall back to an older call.
        case absent
        /// The kernel ends the process (SIGSYS).
        case death
    }

    public let groups: [Group]
    /// System calls that fail with EACCES. Libraries make them, but continue without their result.
    public let attempts: [String]
    /// System calls that Ringway never makes, but that an attacker who controls a thread would make. The kernel ends
    /// the process on them.
    public let deeds: [String]
    /// What becomes of calls that are in none of `groups`, `attempts` and `deeds`.
    public let refusal: Refusal

    public init(_ groups: [Group], attempts: [String] = [], deeds: [String] = [], refusal: Refusal) {
        self.groups = groups
        self.attempts = attempts
        self.deeds = deeds
        self.refusal = refusal
    }

    /// The names of all calls that are let through, at least with certain arguments.
    public var names: [String] { groups.flatMap(\.calls).map(\.name) }
}
