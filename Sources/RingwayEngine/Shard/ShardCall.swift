internal import Dispatch
internal import RingwaySystem
internal import Synchronization

/// What the control plane asks of a shard for the sake of its guests.
enum ShardCall: Sendable {
    /// Take a guest in.
    case admit(GuestAdmission)
    /// Let a guest go that has not been started.
    case withdraw(GuestAdmission)
    /// Carry out the commands for the guest at this place.
    case commands(GuestPlace)
    /// End, without guests.
    case stop

    /// The shard has ended.
    func abandon() {
        switch self {
        case .admit(let admission): admission.settle(SystemError("the shard has ended", errno: 0))
        case .withdraw(let admission): admission.settle(nil)
        case .commands, .stop: break
        }
    }
}

/// A guest on its way to a shard.
final class GuestAdmission: Sendable {
    let place: GuestPlace
    /// The engine's memory, lent to the shard until that has let go of the guest.
    nonisolated(unsafe) let guest: UnsafeMutablePointer<ShardGuest>
    private let failure = Mutex<SystemError?>(nil)
    private let isSettled = DispatchSemaphore(value: 0)

    init(_ guest: UnsafeMutablePointer<ShardGuest>, at place: GuestPlace) {
        self.guest = guest
        self.place = place
    }

    /// From the shard: what was asked is done, or has failed.
    func settle(_ error: SystemError?) {
        failure.withLock { $0 = error }
        isSettled.signal()
    }

    /// Waits for the shard, whose turns are short.
    func wait() -> SystemError? {
        isSettled.wait()
        return outcome
    }

    /// Whether the shard has done what was asked, or has failed: true once, for who steps the shard and must not wait.
    func poll() -> Bool { isSettled.wait(timeout: .now()) == .success }

    /// What it came to, once it has.
    var outcome: SystemError? { failure.withLock { $0 } }
}

/// How an engine waits until all shards have let go of its guest.
final class GuestRemoval: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    /// From a shard, once.
    func done() { semaphore.signal() }

    /// Whether another shard has let go: true once for each, for who steps the shards and must not wait.
    func poll() -> Bool { semaphore.wait(timeout: .now()) == .success }

    /// Whether so many shards have let go in time.
    func wait(for count: Int, seconds: Int) -> Bool {
        let end = DispatchTime.now() + .seconds(seconds)
        for _ in 0..<count where semaphore.wait(timeout: end) == .timedOut { return false }
        return true
    }
}

/// Calls on their way to a shard: rare, so a lock is what they need.
final class CallQueue: Sendable {
    private let line = Mutex((calls: [ShardCall](), isClosed: false))

    /// Appends a call; one for a shard that has ended is abandoned.
    func append(_ call: ShardCall) {
        let isTaken = line.withLock { line in
            if !line.isClosed { line.calls.append(call) }
            return !line.isClosed
        }
        if !isTaken { call.abandon() }
    }

    /// Takes all that there are.
    func takeAll() -> [ShardCall] {
        line.withLock { line in
            let calls = line.calls
            line.calls = []
            return calls
        }
    }

    /// Abandons everything, now and later.
    func close() {
        let calls = line.withLock { line in
            line.isClosed = true
            let calls = line.calls
            line.calls = []
            return calls
        }
        for call in calls { call.abandon() }
    }
}
