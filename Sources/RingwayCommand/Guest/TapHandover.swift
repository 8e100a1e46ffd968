internal import CRingway
internal import Glibc
internal import RingwayTap

/// The protocol between the guest's process and the bridge, its parent process, during setup.
///
///     guest                                  bridge
///       | -- queues, with descriptors -------> |   attaches them
///       | -- configured ---------------------> |   publishes, reports that it is ready
///       | <------------------------------ go - |
///
/// The guest may send "failure" and a reason instead of either of its messages. Each message is one byte for its kind,
/// and a body. If an end is closed without a message, its process has ended or given up.
struct TapHandover: ~Copyable {
    /// A message of the guest's process.
    enum Offer: Equatable {
        case queues([Int32], TapOffloads)
        /// The guest is set up. The text says why no resolv.conf could be mounted; it is empty otherwise.
        case configured(String)
        case failure(String)
        /// No message: the process has ended, or has sent an invalid one.
        case silence
    }

    private enum Kind {
        static let queues = UInt8(ascii: "Q")
        static let configured = UInt8(ascii: "C")
        static let failure = UInt8(ascii: "F")
        static let go = UInt8(ascii: "G")
    }

    private let socket: Int32

    private init(socket: Int32) { self.socket = socket }

    deinit { close(socket) }

    /// The bridge's end and the guest's end.
    static func pair() throws(GuestFailure) -> Pair {
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutablePointer(to: &ends) { pointer in
            pointer.withMemoryRebound(to: Int32.self, capacity: 2) { ringway_message_pair($0) }
        }
        guard result == 0 else { throw GuestFailure(cannot: "make a pair of sockets") }
        return Pair(bridge: TapHandover(socket: ends.0), guest: TapHandover(socket: ends.1))
    }

    /// Both ends; each process keeps one.
    struct Pair: ~Copyable {
        let bridge: TapHandover
        let guest: TapHandover

        /// Keeps the bridge's end and closes the other.
        consuming func keepBridge() -> TapHandover { bridge }
        /// Keeps the guest's end and closes the other.
        consuming func keepGuest() -> TapHandover { guest }
    }

    // MARK: The guest's side

    /// Sends the queues; the receiver gets duplicates of the descriptors.
    borrowing func send(queues: [Int32], offloads: TapOffloads) throws(GuestFailure) {
        var message = [Kind.queues]
        withUnsafeBytes(of: offloads.rawValue) { message.append(contentsOf: $0) }
        guard ringway_send_message(socket, message, message.count, queues, queues.count) == message.count else {
            throw GuestFailure(cannot: "hand the interface over")
        }
    }

    /// Reports that addresses, routes and mounts are set up.
    borrowing func sendConfigured(_ note: String) {
        let message = [Kind.configured] + note.utf8.prefix(1024)
        _ = ringway_send_message(socket, message, message.count, nil, 0)
    }

    /// Reports why the setup failed.
    borrowing func send(_ failure: GuestFailure) {
        let message = [Kind.failure] + failure.message.utf8.prefix(1024)
        _ = ringway_send_message(socket, message, message.count, nil, 0)
    }

    /// A duplicate of the guest's end, kept for the life of the process to detect that the bridge has ended.
    borrowing func keepOpen() -> Int32 { fcntl(socket, F_DUPFD_CLOEXEC, 0) }

    /// Waits until the bridge lets COMMAND start. False if the bridge has ended or given up.
    borrowing func awaitGo() -> Bool {
        (try? receive())?.bytes.first == Kind.go
    }

    // MARK: The bridge's side

    /// Waits for the guest's next message.
    borrowing func awaitOffer() -> Offer {
        let message: Message
        do throws(GuestFailure) {
            message = try receive()
        } catch {
            return .failure(error.message)
        }
        let body = message.bytes.dropFirst()
        switch message.bytes.first {
        case Kind.queues where body.count == 4 && !message.descriptors.isEmpty:
            let offloads = body.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            return .queues(message.descriptors, TapOffloads(rawValue: offloads))
        case Kind.configured:
            return .configured(String(decoding: body, as: UTF8.self))
        case Kind.failure:
            return .failure(String(decoding: body, as: UTF8.self))
        default:
            for descriptor in message.descriptors { close(descriptor) }
            return .silence
        }
    }

    /// Shuts the connection down. The guest's process then sees a hang-up, and ends.
    borrowing func hangUp() { _ = shutdown(socket, Int32(SHUT_RDWR)) }

    /// Lets the guest's process continue.
    borrowing func sendGo() {
        // A failure can be ignored: if the guest's process has ended, its exit status shows it.
        _ = ringway_send_message(socket, [Kind.go], 1, nil, 0)
    }

    /// A received message; without bytes if the other end has closed.
    private typealias Message = (bytes: [UInt8], descriptors: [Int32])

    private borrowing func receive() throws(GuestFailure) -> Message {
        var descriptorCount = 0
        var received = 0
        var reason: Int32 = 0
        var bytes: [UInt8] = []
        let descriptors = [Int32](unsafeUninitializedCapacity: Int(RINGWAY_MAXIMUM_DESCRIPTORS)) { buffer, count in
            bytes = [UInt8](unsafeUninitializedCapacity: 2048) { room, length in
                repeat {
                    received = ringway_receive_message(
                        socket, room.baseAddress, room.count, buffer.baseAddress, &descriptorCount)
                    reason = errno
                } while received < 0 && reason == EINTR
                length = max(0, received)
            }
            count = descriptorCount
        }
        guard received >= 0 || reason == ECONNRESET else {
            throw GuestFailure(cannot: "take the interface over", errorNumber: reason)
        }
        return (bytes, descriptors)
    }
}
