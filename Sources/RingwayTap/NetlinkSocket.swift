internal import CRingway
internal import Glibc
public import RingwaySystem

/// A NETLINK_ROUTE socket in the network namespace of the calling thread.
public struct NetlinkSocket: ~Copyable {
    private let descriptor: Int32
    private var sequence: UInt32 = 0

    /// Opens the socket.
    ///
    /// - Parameter listsStrictly: whether the kernel is to filter lists by the request's header, if it can (Linux
    ///   4.20).
    public init(listsStrictly: Bool = false) throws(SystemError) {
        descriptor = ringway_netlink_open()
        guard descriptor >= 0 else { throw SystemError(cannot: "open the routing socket") }
        // Without this option, the kernel reports an error by its number alone, without a text.
        _ = ringway_netlink_explain(descriptor)
        if listsStrictly { _ = ringway_netlink_list_strictly(descriptor) }
    }

    deinit { close(descriptor) }

    /// Sends all requests in order and waits until the kernel has acknowledged each.
    ///
    /// Throws the first refusal. All requests that were not refused have taken effect, even those after a refused one.
    public mutating func perform(_ requests: [NetlinkMessage]) throws(SystemError) {
        guard let first = requests.first else { return }
        var batch: [UInt8] = []
        let base = sequence
        for var request in requests {
            sequence &+= 1
            request.number(sequence)
            batch += request.bytes
        }
        guard Glibc.send(descriptor, batch, batch.count, 0) == batch.count else {
            throw SystemError(cannot: first.purpose)
        }

        var answered = 0
        var refusal: SystemError?
        while answered < requests.count {
            for answer in try receive(for: first.purpose) {
                let index = Int(answer.sequence &- base) - 1
                guard requests.indices.contains(index) else { continue }
                answered += 1
                guard answer.errorNumber != 0, refusal == nil else { continue }
                refusal = SystemError(
                    cannot: requests[index].purpose, errno: answer.errorNumber, explanation: answer.explanation)
            }
        }
        if let refusal { throw refusal }
    }

    /// Sends a request whose reply is more than an acknowledgement, such as a list.
    mutating func send(_ request: NetlinkMessage) throws(SystemError) {
        var request = request
        sequence &+= 1
        request.number(sequence)
        let bytes = request.bytes
        guard Glibc.send(descriptor, bytes, bytes.count, 0) == bytes.count else {
            throw SystemError(cannot: request.purpose)
        }
    }

    private func receive(for purpose: String) throws(SystemError) -> [NetlinkAnswer] {
        try receive(for: purpose) { NetlinkAnswer.parse($0) }
    }

    /// Receives the next datagram and returns the result of `parse`.
    func receive<Result>(
        for purpose: String, _ parse: (UnsafeRawBufferPointer) -> Result
    ) throws(SystemError) -> Result {
        var buffer = [UInt8](repeating: 0, count: 32768)
        var count = 0
        repeat { count = recv(descriptor, &buffer, buffer.count, 0) } while count < 0 && errno == EINTR
        guard count >= 0 else { throw SystemError(cannot: purpose) }
        guard count > 0 else { throw SystemError(cannot: purpose, errno: EIO) }
        return buffer.withUnsafeBytes { parse(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}
