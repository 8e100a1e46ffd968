internal import CRingway
internal import CSeccomp
internal import Glibc
internal import RingwaySystem

/// The seccomp filter of a `SystemCallList` for this machine's architecture.
///
/// libseccomp knows the numbers of system calls. It could compile the filter too, but it sorts its rules again with each
/// rule that is added, which took 3 ms of the start of every network.
struct SystemCallFilter {
    let program: FilterProgram

    /// - Parameter logsOnly: whether the kernel only logs the calls that the list refuses (audit, or dmesg), and does
    ///   not refuse them.
    init(_ list: SystemCallList, logsOnly: Bool) {
        let kill: FilterProgram.Action = logsOnly ? .log : .killProcess
        let others: FilterProgram.Action =
            switch list.refusal {
            case .absent where !logsOnly: .fail(ENOSYS)
            case .absent, .death: kill
            }
        var verdicts: [UInt32: FilterProgram.Verdict] = [:]
        for call in list.deeds { Self.number(call).map { verdicts[$0] = .always(kill) } }
        for call in list.attempts {
            Self.number(call).map { verdicts[$0] = .always(logsOnly ? .log : .fail(EACCES)) }
        }
        for call in list.groups.flatMap(\.calls) {
            guard let number = Self.number(call.name) else { continue }
            switch (verdicts[number], call.alternatives) {
            case (.always(.allow), _): continue
            case (_, let alternatives) where alternatives.isEmpty: verdicts[number] = .always(.allow)
            case (.allowIf(let earlier, let otherwise), let alternatives):
                verdicts[number] = .allowIf(earlier + alternatives, otherwise: otherwise)
            case (.always(let otherwise), let alternatives):
                verdicts[number] = .allowIf(alternatives, otherwise: otherwise)
            case (nil, let alternatives): verdicts[number] = .allowIf(alternatives, otherwise: others)
            }
        }
        program = FilterProgram(
            architecture: seccomp_arch_native(), verdicts, others: others, foreign: kill)
    }

    /// The number of a system call, or `nil` if this libseccomp does not know it or this architecture lacks it.
    private static func number(_ name: String) -> UInt32? { UInt32(exactly: seccomp_syscall_resolve_name(name)) }

    /// Installs the filter for the calling thread, or for all threads of the process.
    func load(forAllThreads: Bool) throws(SystemError) {
        let result = program.instructions.withUnsafeBytes {
            ringway_load_filter($0.baseAddress, UInt16(program.instructions.count), forAllThreads)
        }
        guard result == 0 else { throw SystemError("cannot install a filter of system calls") }
    }
}
