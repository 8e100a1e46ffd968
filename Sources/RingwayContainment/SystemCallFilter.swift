internal import CRingway
internal import CSeccomp
internal import Glibc
internal import RingwaySystem

/// A seccomp filter that libseccomp compiles from a `SystemCallList`.
struct SystemCallFilter: ~Copyable {
    private let context: UnsafeMutableRawPointer

    /// - Parameter logsOnly: whether the kernel only logs the calls that the list refuses (audit, or dmesg), and does
    ///   not refuse them.
    init(_ list: SystemCallList, logsOnly: Bool) throws(SystemError) {
        let action =
            switch list.refusal {
            case .absent: Self.failure(ENOSYS)
            case .death: SCMP_ACT_KILL_PROCESS
            }
        guard let made = seccomp_init(logsOnly ? SCMP_ACT_LOG : action) else {
            throw SystemError("cannot make a filter of system calls", errno: ENOMEM)
        }
        do throws(SystemError) {
            try Self.fill(made, list, refusal: logsOnly ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS)
        } catch {
            seccomp_release(made)
            throw error
        }
        context = made
    }

    private static func fill(
        _ context: UnsafeMutableRawPointer, _ list: SystemCallList, refusal: UInt32
    ) throws(SystemError) {
        // 2 makes libseccomp compile a binary tree in place of a chain of comparisons.
        _ = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        // Speculation is not restricted further: code in this process reads all of its memory anyway.
        _ = seccomp_attr_set(context, SCMP_FLTATR_CTL_SSB, 1)
        for call in list.groups.flatMap(\.calls) {
            let alternatives = call.alternatives.isEmpty ? [[]] : call.alternatives
            for conditions in alternatives { try add(call.name, action: SCMP_ACT_ALLOW, conditions, to: context) }
        }
        let denial = refusal == SCMP_ACT_LOG ? refusal : failure(EACCES)
        for name in list.attempts { try add(name, action: denial, [], to: context) }
        for name in list.deeds { try add(name, action: refusal, [], to: context) }
    }

    deinit { seccomp_release(context) }

    /// SCMP_ACT_ERRNO, a macro that Swift does not import.
    private static func failure(_ number: Int32) -> UInt32 { 0x0005_0000 | UInt32(number) & 0xFFFF }

    private static func add(
        _ name: String, action: UInt32, _ conditions: [SystemCallList.Condition], to context: UnsafeMutableRawPointer
    ) throws(SystemError) {
        let number = seccomp_syscall_resolve_name(name)
        // A negative number means that this libseccomp does not know the call, or that this architecture lacks it.
        guard number >= 0 else { return }
        let comparisons = conditions.map {
            scmp_arg_cmp(arg: $0.argument, op: SCMP_CMP_MASKED_EQ, datum_a: $0.mask, datum_b: $0.value)
        }
        let result = seccomp_rule_add_array(context, action, number, UInt32(comparisons.count), comparisons)
        // libseccomp refuses a rule with the filter's default action (EACCES) and a repeated rule (EEXIST). Neither
        // rule is needed.
        guard result == 0 || result == -EACCES || result == -EEXIST else {
            throw SystemError("cannot filter \(name)", errno: -result)
        }
    }

    /// Installs the filter for the calling thread, or for all threads of the process.
    consuming func load(forAllThreads: Bool) throws(SystemError) {
        if forAllThreads { _ = seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1) }
        let result = seccomp_load(context)
        guard result == 0 else { throw SystemError("cannot install a filter of system calls", errno: -result) }
    }
}
