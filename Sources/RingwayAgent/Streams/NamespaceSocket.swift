internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem
internal import Synchronization

/// Creates sockets in the agent's network namespace and in others.
///
/// A socket permanently belongs to the namespace in which it was created. A short-lived thread enters the namespace and
/// creates the socket; no other thread ever changes its namespace, because it might be unable to return.
enum NamespaceSocket {
    /// Opens a non-blocking socket. `namespace` is a path, a name in /run/netns, or empty for the agent's own one.
    static func open(_ namespace: String, family: Int32, kind: Int32) -> Result<Int32, Refusal> {
        guard !namespace.isEmpty else { return make(family, kind) }
        let path = namespace.utf8.contains(UInt8(ascii: "/")) ? namespace : "/run/netns/\(namespace)"
        let file = ringway_open(path, O_RDONLY, 0)
        guard file >= 0 else { return .failure(refusal(path)) }
        defer { close(file) }
        let answer = Answer()
        do throws(SystemError) {
            try SystemThread("in-namespace", stackBytes: 256 << 10) {
                if ringway_join_namespace(file, ringway_kind_network()) == 0 {
                    answer.set(make(family, kind))
                } else {
                    answer.set(.failure(refusal(path)))
                }
            }.join()
        } catch {
            return .failure(Refusal(errorNumber: EAGAIN, text: error.description))
        }
        return answer.get()
    }

    private static func make(_ family: Int32, _ kind: Int32) -> Result<Int32, Refusal> {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind | flags, 0)
        return descriptor >= 0 ? .success(descriptor) : .failure(Refusal(errorNumber: errno))
    }

    private static func refusal(_ path: String) -> Refusal {
        let number = errno
        return Refusal(errorNumber: number, text: "network namespace \(path): \(String(cString: strerror(number)))")
    }

    /// The socket created by the thread.
    private final class Answer: Sendable {
        private let result = Mutex<Result<Int32, Refusal>>(.failure(Refusal(errorNumber: EIO)))

        func set(_ value: Result<Int32, Refusal>) { result.withLock { $0 = value } }
        func get() -> Result<Int32, Refusal> { result.withLock { $0 } }
    }
}
