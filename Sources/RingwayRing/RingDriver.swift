internal import CRingway
internal import Glibc
internal import RingwaySystem

/// Executes a ring's submissions. All back ends share the layout of liburing's queues, so only the system calls differ.
/// Another back end needs a case here and a file of its own.
enum RingDriver {
    case kernel(KernelRing)
    /// The emulated ring is behind a pointer, because it is large and mutable.
    case emulated(UnsafeMutablePointer<EmulatedRing>)
    /// Retained by the driver from `init` to `close`.
    case scripted(Unmanaged<ScriptedRing>)

    /// Initialises `ring` for the back end of `features`.
    init(
        _ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32, features: KernelFeatures,
        isRestricted: Bool
    ) throws(SystemError) {
        switch features.backEnd {
        case .ioUring:
            self = .kernel(
                try KernelRing(
                    ring, entries: entries, completions: completions, features: features, isRestricted: isRestricted))
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

    /// The time of the back end's clock: the kernel's monotonic clock, or a simulation's virtual clock.
    @inline(__always)
    func clock() -> UInt64 {
        switch self {
        case .kernel, .emulated: ringway_monotonic_nanoseconds()
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.now }
        }
    }

    /// Submits queued entries. Returns a negated `errno` on failure; zero and positive results mean success.
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

    /// Submits queued entries and collects completions without waiting. Results are those of `submit`.
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

    /// Submits queued entries and waits for a completion. Results are those of `submit`.
    @inline(__always)
    func submitAndWait(nanoseconds: Int64) -> Int32 {
        switch self {
        case .kernel(let kernel): kernel.submitAndWait(nanoseconds: nanoseconds)
        case .emulated(let emulated): -emulated.pointee.submitAndWait(nanoseconds: nanoseconds)
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.submitAndSleep(nanoseconds: nanoseconds) }
        }
    }

    /// Posts deferred completions.
    func collect() {
        switch self {
        case .kernel(let kernel): kernel.collect()
        case .emulated(let emulated): _ = emulated.pointee.collect(nanoseconds: 0)
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.postHeldBack() }
        }
    }

    /// Registers a ring of provided buffers. Returns zero, or a negated `errno`.
    func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        switch self {
        case .kernel(let kernel): kernel.register(memory, entries: entries, group: group)
        case .emulated(let emulated): emulated.pointee.provided.register(memory, entries: entries, group: group)
        case .scripted(let scripted):
            scripted._withUnsafeGuaranteedRef { $0.register(memory, entries: entries, group: group) }
        }
    }

    /// Unregisters a ring of provided buffers.
    func unregister(group: UInt16) {
        switch self {
        case .kernel(let kernel): kernel.unregister(group: group)
        case .emulated(let emulated): emulated.pointee.provided.unregister(group: group)
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.provided.unregister(group: group) }
        }
    }

    /// Cancels the operations with a tag immediately; returns their number, or a negated `errno`.
    func cancelNow(_ tag: UInt64, nanoseconds: UInt64) -> Int32 {
        switch self {
        case .kernel(let kernel): kernel.cancelNow(tag, nanoseconds: nanoseconds)
        case .emulated(let emulated): emulated.pointee.cancelNow(tag)
        case .scripted(let scripted): scripted._withUnsafeGuaranteedRef { $0.cancelNow(tag) }
        }
    }

    /// Called before a descriptor is closed. Operations of a kernel ring or scripted ring reference their file, and
    /// continue. Emulated operations know only the descriptor's number, which may be reused, so they are ended here.
    @inline(__always)
    func closing(_ descriptor: Int32) {
        switch self {
        case .kernel, .scripted: break
        case .emulated(let emulated): emulated.pointee.closing(descriptor)
        }
    }
}
