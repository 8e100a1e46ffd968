internal import CRingway
internal import Glibc
internal import RingwaySystem

/// What carries out a ring's submissions. All back ends share the layout of liburing's queues, so only the system calls
/// around them differ; a further back end is a case here and a file of its own.
enum RingDriver {
    case kernel(KernelRing)
    /// In memory of its own, because it is large and changes.
    case emulated(UnsafeMutablePointer<EmulatedRing>)
    /// Held by the driver, from `init` to `close`.
    case scripted(Unmanaged<ScriptedRing>)

    /// Sets `ring` up for the back end of `features`.
    init(
        _ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32, features: KernelFeatures
    ) throws(SystemError) {
        switch features.backEnd {
        case .ioUring:
            self = .kernel(
                try KernelRing(
                    ring, entries: entries, completions: completions, defersTaskWork: features.defersTaskWork))
        case .epoll:
            let made = try EmulatedRing(ring, entries: entries, completions: completions)
            let emulated = UnsafeMutablePointer<EmulatedRing>.allocate(capacity: 1)
            emulated.initialize(to: made)
            self = .emulated(emulated)
        case .scripted:
            let made = try ScriptedRing(ring, entries: entries, completions: completions)
            self = .scripted(.passRetained(made))
        }
    }

    func close() {
        switch self {
        case .kernel(let kernel): kernel.close()
        case .emulated(let emulated):
            emulated.deinitialize(count: 1)
            emulated.deallocate()
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.close() }
            scripted.release()
        }
    }

    func enable() throws(SystemError) {
        switch self {
        case .kernel(let kernel): try kernel.enable()
        case .emulated, .scripted: break
        }
    }

    /// The clock of the ring's world: the kernel's, or a script's.
    @inline(__always)
    func clock() -> UInt64 {
        switch self {
        case .kernel, .emulated: ringway_monotonic_nanoseconds()
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.now }
        }
    }

    /// Submits what is queued; the entries taken, or a negated `errno`.
    func submit() -> Int32 {
        switch self {
        case .kernel(let kernel): return kernel.submit()
        case .emulated(let emulated):
            emulated.pointee.submit()
            return 0
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.submit() }
            return 0
        }
    }

    /// Submits what is queued and collects completions without waiting; zero or more, or a negated `errno`.
    func submitAndCollect() -> Int32 {
        switch self {
        case .kernel(let kernel): return kernel.submitAndCollect()
        case .emulated(let emulated):
            emulated.pointee.submit()
            return 0
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.submit() }
            return 0
        }
    }

    /// Submits what is queued and waits for a completion; zero or more, or a negated `errno`.
    @inline(__always)
    func submitAndWait(nanoseconds: Int64) -> Int32 {
        switch self {
        case .kernel(let kernel): kernel.submitAndWait(nanoseconds: nanoseconds)
        case .emulated(let emulated): -emulated.pointee.submitAndWait(nanoseconds: nanoseconds)
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.submitAndSleep(nanoseconds: nanoseconds) }
        }
    }

    /// Has completions posted that are held back.
    func collect() {
        switch self {
        case .kernel(let kernel): kernel.collect()
        case .emulated(let emulated): _ = emulated.pointee.collect(nanoseconds: 0)
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.postHeldBack() }
        }
    }

    /// Makes a ring of provided buffers known; zero, or a negated `errno`.
    func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        switch self {
        case .kernel(let kernel): kernel.register(memory, entries: entries, group: group)
        case .emulated(let emulated): emulated.pointee.provided.register(memory, entries: entries, group: group)
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.register(memory, entries: entries, group: group) }
        }
    }

    /// Forgets a ring of provided buffers.
    func unregister(group: UInt16) {
        switch self {
        case .kernel(let kernel): kernel.unregister(group: group)
        case .emulated(let emulated): emulated.pointee.provided.unregister(group: group)
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.provided.unregister(group: group) }
        }
    }

    /// Cancels the operations with a tag at once; how many there were, or a negated `errno`.
    func cancelNow(_ tag: UInt64, nanoseconds: UInt64) -> Int32 {
        switch self {
        case .kernel(let kernel): kernel.cancelNow(tag, nanoseconds: nanoseconds)
        case .emulated(let emulated): emulated.pointee.cancelNow(tag)
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.cancelNow(tag) }
        }
    }

    /// A descriptor is about to be closed. The kernel's operations, and a script's, hold their file; emulated ones know its
    /// number only, which another file may have in a moment, and end.
    @inline(__always)
    func closing(_ descriptor: Int32) {
        switch self {
        case .kernel, .scripted: break
        case .emulated(let emulated): emulated.pointee.closing(descriptor)
        }
    }
}
