/// A seccomp filter: a program of classic BPF that the kernel runs on each system call (seccomp(2), linux/filter.h).
///
/// ## Theory of operation
///
/// The program's input is `struct seccomp_data`: the call's number, the architecture and six arguments of 64 bits. It
/// reads 32 bits at a time, jumps only forwards, and returns an action.
///
/// The numbers of system calls are divided into ranges that are judged alike. A binary search over the ranges' first
/// numbers leads to the instructions of one range, which return an action, some after they have compared arguments.
struct FilterProgram: Sendable {
    /// What the kernel does with a call (SECCOMP_RET_…).
    struct Action: Sendable, Equatable {
        let value: UInt32

        static let killProcess = Action(value: 0x8000_0000)
        static let log = Action(value: 0x7FFC_0000)
        static let allow = Action(value: 0x7FFF_0000)
        /// The call fails with `errno`.
        static func fail(_ errno: Int32) -> Action { Action(value: 0x0005_0000 | UInt32(errno) & 0xFFFF) }
    }

    /// The layout of `struct sock_filter`.
    struct Instruction: Sendable, Equatable {
        let code: UInt16
        var jumpIfTrue: UInt8 = 0
        var jumpIfFalse: UInt8 = 0
        let operand: UInt32

        /// Loads 32 bits of `struct seccomp_data` into the accumulator.
        static func load(offset: UInt32) -> Instruction { Instruction(code: 0x20, operand: offset) }
        static func and(_ mask: UInt32) -> Instruction { Instruction(code: 0x54, operand: mask) }
        /// Jumps are relative to the next instruction.
        static func jump(by distance: Int) -> Instruction { Instruction(code: 0x05, operand: UInt32(distance)) }
        static func jumpIfEqual(to value: UInt32, _ ifTrue: UInt8, else ifFalse: UInt8) -> Instruction {
            Instruction(code: 0x15, jumpIfTrue: ifTrue, jumpIfFalse: ifFalse, operand: value)
        }
        static func jumpIfAtLeast(_ value: UInt32, _ ifTrue: UInt8, else ifFalse: UInt8) -> Instruction {
            Instruction(code: 0x35, jumpIfTrue: ifTrue, jumpIfFalse: ifFalse, operand: value)
        }
        static func `return`(_ action: Action) -> Instruction { Instruction(code: 0x06, operand: action.value) }
    }

    /// What becomes of a system call.
    enum Verdict: Sendable, Equatable {
        case always(Action)
        /// The call is let through if all conditions of one alternative hold; otherwise `action` is returned.
        case allowIf([[SystemCallList.Condition]], otherwise: Action)
    }

    private struct Range {
        let first: UInt32
        let verdict: Verdict
    }

    let instructions: [Instruction]

    /// - Parameters:
    ///   - architecture: the only architecture whose calls are judged (AUDIT_ARCH_…).
    ///   - verdicts: the verdicts by the numbers of system calls.
    ///   - others: what becomes of all other numbers, among them those of x86-64's x32 calls.
    ///   - foreign: what becomes of calls of another architecture.
    init(architecture: UInt32, _ verdicts: [UInt32: Verdict], others: Action, foreign: Action) {
        var ranges = [Range(first: 0, verdict: .always(others))]
        func append(_ first: UInt32, _ verdict: Verdict) {
            if let last = ranges.last, last.first == first { ranges.removeLast() }
            if let last = ranges.last, last.verdict == verdict { return }
            ranges.append(Range(first: first, verdict: verdict))
        }
        for (number, verdict) in verdicts.sorted(by: { $0.key < $1.key }) {
            append(number, verdict)
            append(number + 1, .always(others))
        }
        instructions =
            [
                .load(offset: Self.architectureOffset), .jumpIfEqual(to: architecture, 1, else: 0), .return(foreign),
                .load(offset: Self.numberOffset),
            ] + Self.search(ranges[...])
    }

    // Offsets in struct seccomp_data.
    private static let numberOffset: UInt32 = 0
    private static let architectureOffset: UInt32 = 4
    private static let argumentsOffset: UInt32 = 16

    /// Instructions for a system call whose number is in the accumulator: a binary search for the range that contains
    /// the number, and the instructions of that range.
    private static func search(_ ranges: ArraySlice<Range>) -> [Instruction] {
        guard ranges.count > 1 else { return ranges.first.map { judge($0.verdict) } ?? [] }
        let middle = ranges.startIndex + ranges.count / 2
        let lower = search(ranges[..<middle])
        let upper = search(ranges[middle...])
        let first = ranges[middle].first
        // A conditional jump spans 255 instructions at most.
        let jump: [Instruction] =
            if let distance = UInt8(exactly: lower.count) {
                [.jumpIfAtLeast(first, distance, else: 0)]
            } else {
                [.jumpIfAtLeast(first, 0, else: 1), .jump(by: lower.count)]
            }
        return jump + lower + upper
    }

    /// Instructions that return a verdict's action.
    private static func judge(_ verdict: Verdict) -> [Instruction] {
        switch verdict {
        case .always(let action): return [.return(action)]
        case .allowIf(let alternatives, let action):
            return alternatives.flatMap(allow(ifAll:)) + [.return(action)]
        }
    }

    /// Instructions that let the call through if all conditions hold, and otherwise continue behind themselves.
    private static func allow(ifAll conditions: [SystemCallList.Condition]) -> [Instruction] {
        var reversed: [Instruction] = [.return(.allow)]
        for condition in conditions.reversed() {
            // On the little-endian machines that Ringway runs on, the upper half of an argument is the second.
            let halves = [(offset: UInt32(0), shift: 0), (offset: 4, shift: 32)]
            for half in halves.reversed() {
                let mask = UInt32(truncatingIfNeeded: condition.mask >> half.shift)
                guard mask != 0 else { continue }
                let value = UInt32(truncatingIfNeeded: condition.value >> half.shift)
                // `reversed` holds what follows the comparison. If it fails, all of that is skipped.
                reversed.append(.jumpIfEqual(to: value, 0, else: UInt8(reversed.count)))
                if mask != UInt32.max { reversed.append(.and(mask)) }
                reversed.append(.load(offset: argumentsOffset + 8 * condition.argument + half.offset))
            }
        }
        return reversed.reversed()
    }
}
