internal import Dispatch
internal import RingwaySystem
internal import Synchronization

/// A request of the control plane to a shard. It concerns one guest, or stops the shard.
enum ShardCall: Sendable {
    /// Add a guest.
    case admit(GuestAdmission)
    /// Remove a guest that has not been started.
    case withdraw(GuestAdmission)
    /// Carry out the commands for the guest at this place.
    case commands(GuestPlace)
    /// Stop the shard, which has no guests any more.
    case stop

    /// Answers the call in place of a shard that has stopped.
    func abandon() {
        switch self {
        case .admit(let admission): admission.settle(SystemError("the shard has ended", errno: 0))
        case .withdraw(let admission): admission.settle(nil)
        case .commands, .stop: break
        }
    }
}

/// A request to add a guest to a shard, or to withdraw it, and its outcome.
final class GuestAdmission: Sendable {
    let place: GuestPlace
    /// The engine's memory, lent to the shard until it has removed the guest.
    nonisolated(unsafe) let guest: UnsafeMutablePointer<ShardGuest>
    private let failure = Mutex<SystemError?>(nil)
    private let isSettled = DispatchSemaphore(value: 0)

    init(_ guest: UnsafeMutablePointer<ShardGuest>, at place: GuestPlace) {
        self.guest = guest
        self.place = place
    }

    /// Called by the shard when the request has been carried out or has failed.
    func settle(_ error: SystemError?) {
        failure.withLock { $0 = error }
        isSettled.signal()
    }

    /// Waits for the shard. This is brief, because a shard reads its calls once a turn.
    func wait() -> SystemError? {
        isSettled.wait()
        return outcome
    }

    /// Whether the shard has answered; returns true once. For `SteppedEngine`, whose thread also runs the shard and
    /// therefore must not block.
    func poll() -> Bool { isSettled.wait(timeout: .now()) == .success }

    /// The error with which the request failed; `nil` if it succeeded or is not answered yet.
    var outcome: SystemError? { failure.withLock { $0 } }
}

/// Lets an engine wait until all shards have removed its guest.
final class GuestRemoval: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    /// Called once for each part of the guest, when its shard has removed the part.
    func done() { semaphore.signal() }

    /// Whether one more part has been removed; returns true once for each. For `SteppedEngine`, whose thread also runs
    /// the shards and therefore must not block.
    func poll() -> Bool { semaphore.wait(timeout: .now()) == .success }

    /// Waits until `count` parts have been removed; false if the timeout has passed.
    func wait(for count: Int, seconds: Int) -> Bool {
        let end = DispatchTime.now() + .seconds(seconds)
        for _ in 0..<count where semaphore.wait(timeout: end) == .timedOut { return false }
        return true
    }
}

/// Calls to a shard. They are rare, so a lock is fast enough.
final class CallQueue: Sendable {
    private let line = Mutex((calls: [ShardCall](), isClosed: false))

    /// Appends a call. If the shard has stopped, the call is abandoned.
    func append(_ call: ShardCall) {
        let isTaken = line.withLock { line in
            if !line.isClosed { line.calls.append(call) }
            return !line.isClosed
        }
        if !isTaken { call.abandon() }
    }

    /// Removes and returns all calls.
    func takeAll() -> [ShardCall] {
        line.withLock { line in
            let calls = line.calls
            line.calls = []
            return calls
        }
    }

    /// Abandons all calls in the queue, and every later one.
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
