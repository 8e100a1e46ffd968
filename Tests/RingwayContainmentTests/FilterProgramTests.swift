import CSeccomp
import Glibc
import TestSupport
import Testing

@testable import RingwayContainment

/// The program is run by an interpreter of the instructions that it consists of, and compared with the list that it was
/// made from.
@Suite("Filter of system calls")
struct FilterProgramTests {
    typealias Action = FilterProgram.Action

    static let lists = [
        ("shard", SystemCallList.shard(1, 2), false), ("process", SystemCallList.process(1), false),
        ("shard, logged", SystemCallList.shard(1, 2), true), ("process, logged", SystemCallList.process(1), true),
    ]

    @Test(arguments: lists) func `judges every call as the list does`(
        _ name: String, _ list: SystemCallList, _ logsOnly: Bool
    ) {
        let program = SystemCallFilter(list, logsOnly: logsOnly).program
        var random = SeededNoise(seed: 1)
        let meaning = Meaning(list, logsOnly: logsOnly)
        for number in Array(0..<700) + [0x3FFF_FFFF, 0x4000_0000, 0x4000_0001, .max] as [UInt32] {
            let isConditional = meaning.conditions[number] != nil
            for _ in 0..<(isConditional ? 400 : 2) {
                let call = Call(number: number, arguments: meaning.arguments(of: number, &random))
                #expect(program.run(call) == meaning.action(call), "\(call)")
            }
        }
    }

    @Test(arguments: lists) func `refuses calls of another architecture`(
        _ name: String, _ list: SystemCallList, _ logsOnly: Bool
    ) {
        let program = SystemCallFilter(list, logsOnly: logsOnly).program
        let other = Call(architecture: 0x4000_0003, number: 4, arguments: [0, 0, 0, 0, 0, 0])
        #expect(program.run(other) == (logsOnly ? .log : .killProcess))
    }

    @Test(arguments: lists) func `fits the kernel's bound`(_ name: String, _ list: SystemCallList, _ logsOnly: Bool) {
        // BPF_MAXINSNS.
        #expect(SystemCallFilter(list, logsOnly: logsOnly).program.instructions.count <= 4_096)
    }

    private static let masks: [UInt64] = [0xFF00_0000_00FF, 0xFFFF_FFFF, .max, 0xF << 32, 3]

    @Test func `compares both halves of an argument, and jumps over any distance`() {
        var random = SeededNoise(seed: 1)
        var verdicts: [UInt32: FilterProgram.Verdict] = [:]
        var conditions: [UInt32: [[SystemCallList.Condition]]] = [:]
        for number in stride(from: 0, to: 60, by: 3) as StrideTo<UInt32> {
            let alternatives = (0..<1 + random.below(12)).map { _ in
                (0..<1 + random.below(6)).map { argument in
                    let mask = random.next() & Self.masks[random.below(Self.masks.count)]
                    return SystemCallList.Condition(UInt32(argument), mask: mask, is: random.next() & mask)
                }
            }
            conditions[number] = alternatives
            verdicts[number] = .allowIf(alternatives, otherwise: .fail(Int32(number) + 1))
        }
        let program = FilterProgram(architecture: 7, verdicts, others: .killProcess, foreign: .log)
        #expect(program.instructions.count > 512)
        for number in 0..<70 as Range<UInt32> {
            guard let alternatives = conditions[number] else {
                #expect(program.run(Call(architecture: 7, number: number, arguments: [])) == .killProcess)
                continue
            }
            for alternative in alternatives {
                var arguments = (0..<6).map { _ in random.next() }
                for condition in alternative {
                    let argument = Int(condition.argument)
                    arguments[argument] = arguments[argument] & ~condition.mask | condition.value
                }
                #expect(program.run(Call(architecture: 7, number: number, arguments: arguments)) == .allow)
                // One wrong bit of one condition. Another alternative may still hold.
                guard let condition = alternative.randomElement(using: &random),
                    let bit = (0..<64).filter({ condition.mask >> $0 & 1 == 1 }).randomElement(using: &random)
                else { continue }
                arguments[Int(condition.argument)] ^= 1 << bit
                let holds = alternatives.contains { $0.allSatisfy { $0.holds(arguments) } }
                #expect(
                    program.run(Call(architecture: 7, number: number, arguments: arguments))
                        == (holds ? .allow : .fail(Int32(number) + 1)), "\(arguments)")
            }
        }
    }
}

/// A system call as a filter sees it (struct seccomp_data).
struct Call {
    var architecture: UInt32 = seccomp_arch_native()
    let number: UInt32
    let arguments: [UInt64]

    /// The 32 bits at an offset.
    func word(at offset: UInt32) -> UInt32? {
        switch offset {
        case 0: return number
        case 4: return architecture
        case 16..<64 where offset % 4 == 0:
            let index = Int(offset - 16) / 8
            guard arguments.indices.contains(index) else { return 0 }
            return UInt32(truncatingIfNeeded: arguments[index] >> (offset % 8 == 0 ? 0 : 32))
        default: return nil
        }
    }
}

extension SystemCallList.Condition {
    func holds(_ arguments: [UInt64]) -> Bool { arguments[Int(argument)] & mask == value }
}

extension FilterProgram {
    /// Runs the program; `nil` if the kernel would have refused to load it.
    func run(_ call: Call) -> Action? {
        var accumulator: UInt32 = 0
        var next = 0
        while instructions.indices.contains(next) {
            let instruction = instructions[next]
            next += 1
            let jump = { (isTrue: Bool) in Int(isTrue ? instruction.jumpIfTrue : instruction.jumpIfFalse) }
            switch instruction.code {
            case 0x20:
                guard let word = call.word(at: instruction.operand) else { return nil }
                accumulator = word
            case 0x54: accumulator &= instruction.operand
            case 0x05: next += Int(instruction.operand)
            case 0x15: next += jump(accumulator == instruction.operand)
            case 0x35: next += jump(accumulator >= instruction.operand)
            case 0x06: return Action(value: instruction.operand)
            default: return nil
            }
        }
        return nil
    }
}

/// What a list says about each system call, looked up call by call.
private struct Meaning {
    /// The alternatives of calls that are let through with certain arguments only.
    private(set) var conditions: [UInt32: [[SystemCallList.Condition]]] = [:]
    private var allowed: Set<UInt32> = []
    private var refused: [UInt32: FilterProgram.Action] = [:]
    private let others: FilterProgram.Action

    init(_ list: SystemCallList, logsOnly: Bool) {
        let kill: FilterProgram.Action = logsOnly ? .log : .killProcess
        others = logsOnly ? .log : list.refusal == .death ? .killProcess : .fail(ENOSYS)
        func number(_ name: String) -> UInt32? { UInt32(exactly: seccomp_syscall_resolve_name(name)) }
        for name in list.deeds { if let number = number(name) { refused[number] = kill } }
        for name in list.attempts { if let number = number(name) { refused[number] = logsOnly ? .log : .fail(EACCES) } }
        for call in list.groups.flatMap(\.calls) {
            guard let number = number(call.name) else { continue }
            if call.alternatives.isEmpty {
                allowed.insert(number)
            } else {
                conditions[number, default: []] += call.alternatives
            }
        }
    }

    func action(_ call: Call) -> FilterProgram.Action {
        if allowed.contains(call.number) { return .allow }
        if conditions[call.number]?.contains(where: { $0.allSatisfy { $0.holds(call.arguments) } }) == true {
            return .allow
        }
        return refused[call.number] ?? others
    }

    /// Random arguments, of which many fulfil some of the call's conditions.
    func arguments(of number: UInt32, _ random: inout SeededNoise) -> [UInt64] {
        var arguments = (0..<6).map { _ in random.next() }
        for condition in conditions[number]?.flatMap(\.self) ?? [] where random.below(4) == 0 {
            let argument = Int(condition.argument)
            arguments[argument] = arguments[argument] & ~condition.mask | condition.value
        }
        return arguments
    }
}
