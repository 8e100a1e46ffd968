internal import Synchronization

/// Threads that are waited for together. Lists hold no values that have one owner, so each is in a box.
public final class ThreadList: Sendable {
    private final class Box: @unchecked Sendable {
        // Sendable: whoever has taken the box out of the list is alone with it.
        private var thread: AgentThread?

        init(_ thread: consuming AgentThread) { self.thread = consume thread }

        func join() { thread.take()?.join() }
    }

    private let boxes = Mutex<[Box]>([])

    /// No threads.
    public init() {}

    /// Adds a thread that has been started.
    public func add(_ thread: consuming AgentThread) {
        let box = Box(thread)
        boxes.withLock { $0.append(box) }
    }

    /// Waits for the end of each.
    public func join() {
        let all = boxes.withLock { boxes in
            defer { boxes = [] }
            return boxes
        }
        for box in all { box.join() }
    }
}
