internal import CRingway
internal import Glibc
internal import RingwaySystem
internal import Synchronization

/// Restricts what an attacker who controls a process of Ringway can do with it.
///
/// ## Theory of operation
///
/// A guest's frames, an agent's messages and a nameserver's answers are hostile input. These layers limit what an
/// attacker gains by a fault in their parsers:
///
///     no new privileges   execve(2) gains no privileges; without CAP_SYS_ADMIN the kernel requires this for filters
///     no tracing          other processes of the user cannot trace this one or read its memory
///     capabilities        a process of root keeps those of `Capability`, and a shard's thread two of them
///     system calls        the process cannot execute programs, mount or debug; a shard may make even fewer calls
///     rings               a shard's ring performs thirteen operations (`RingRestrictions`)
///
/// `enter` is called once, while the process has one thread and after it has forked what must not be contained. Each
/// shard contains itself further when it starts (`ThreadStart`).
public enum Containment {
    /// Whether the user wants the layers (`--sandbox`).
    public enum Mode: String, Sendable, CaseIterable {
        case on
        case off
        /// System calls that would be refused are let through and logged by the kernel.
        case log
    }

    /// A layer, and whether this process has it.
    public struct Layer: Sendable, Equatable {
        public let name: String
        /// Why the layer is missing; `nil` if it holds.
        public let obstacle: String?
    }

    private static let entered = Mutex<(mode: Mode, layers: [Layer])>((.off, []))

    /// The mode of this process.
    public static var mode: Mode { entered.withLock { $0.mode } }

    /// The layers of this process; empty if it is not contained.
    public static var layers: [Layer] { entered.withLock { $0.layers } }

    /// Whether this kernel, and the container that the process may be in, allow filters of system calls.
    public static var canFilterSystemCalls: Bool {
        ringway_has_seccomp_action(FilterProgram.Action.killProcess.value)
            && ringway_has_seccomp_action(FilterProgram.Action.log.value)
    }

    /// Applies the layers to the calling process, as far as its kernel supports them.
    public static func enter(_ mode: Mode, as profile: Profile) {
        guard mode != .off else { return }
        var layers = [
            layer("no new privileges", ringway_forbid_new_privileges()),
            layer("no tracing", ringway_forbid_tracing()),
            layer("capabilities", ringway_keep_capabilities(Capability.mask(profile.capabilities.keys))),
        ]
        var hasFilter = false
        if canFilterSystemCalls {
            do throws(SystemError) {
                let list = profile.systemCalls(getpid())
                try SystemCallFilter(list, logsOnly: mode == .log).load(forAllThreads: true)
                hasFilter = true
                layers.append(Layer(name: "system calls", obstacle: nil))
            } catch {
                layers.append(Layer(name: "system calls", obstacle: error.description))
            }
        } else {
            layers.append(Layer(name: "system calls", obstacle: "seccomp is missing or forbidden here"))
        }
        let filters = hasFilter
        let dropsCapabilities = layers.contains(Layer(name: "capabilities", obstacle: nil))
        ThreadStart.set { kind in
            guard let thread = profile.threads[kind] else { return }
            contain(thread, dropsCapabilities: dropsCapabilities, filters: filters, logsOnly: mode == .log)
        }
        entered.withLock { $0 = (mode, layers) }
    }

    private static func layer(_ name: String, _ result: Int32) -> Layer {
        Layer(name: name, obstacle: result == 0 ? nil : SystemError("\(name)").description)
    }

    /// Contains the calling thread. A thread that cannot be contained, although its process could be, must not run.
    private static func contain(
        _ thread: Profile.ThreadProfile, dropsCapabilities: Bool, filters: Bool, logsOnly: Bool
    ) {
        if ringway_keep_capabilities(Capability.mask(thread.capabilities)) != 0, dropsCapabilities {
            fatalError("\(SystemError("cannot give up capabilities"))")
        }
        guard filters else { return }
        do throws(SystemError) {
            let list = thread.systemCalls(getpid(), ringway_thread_number())
            try SystemCallFilter(list, logsOnly: logsOnly).load(forAllThreads: false)
        } catch {
            fatalError("\(error)")
        }
    }
}
