internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The unix socket through which Firecracker and cloud-hypervisor let the host connect to a vsock port of the guest.
///
/// The host sends "CONNECT PORT" and a newline, and the monitor answers "OK", a host port and a newline. The host
/// always keeps one connection open on which the agent has not sent anything yet. The agent's hello gives that
/// connection its role, and the host opens the next one.
final class MonitorSocket {
    private let path: String
    private let port: UInt32
    private weak var host: HostLoop?
    /// The `ChannelOrigin.listener` of this socket's channels. Neither a listener nor another monitor's socket has
    /// this number.
    private var mark: UInt64 = 0

    /// Nanoseconds until the next attempt if the guest does not listen yet.
    private static var interval: UInt64 { 200_000_000 }

    init(path: String, port: UInt32) {
        self.path = path
        self.port = port
    }

    /// Connects, and reconnects for as long as the loop runs.
    ///
    /// - Parameter number: a number that no other monitor's socket of the loop has.
    func begin(on host: HostLoop, number: UInt64) {
        self.host = host
        mark = 1 << 63 | number
        connect()
    }

    /// Connects, or retries after a while.
    private func connect() {
        guard let host else { return }
        let request = Array("CONNECT \(port)\n".utf8)
        guard let socket = OwnedDescriptor(result: ringway_unix_open()),
            ringway_set_nonblocking(socket.rawValue) == 0,
            ringway_unix_connect(socket.rawValue, path, path.utf8.count) == 0,
            send(socket.rawValue, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        else { return tryLater() }
        let answer = Answer(socket.take(), monitor: self)
        guard host.watch(answer) else { return tryLater() }
        host.loop.schedule(answer, at: host.loop.now + Answer.timeout)
    }

    fileprivate func tryLater() {
        guard let host else { return }
        host.loop.schedule(Pause(monitor: self), at: host.loop.now + Self.interval)
    }

    /// Called when the agent's port has accepted the connection.
    fileprivate func connected(_ descriptor: Int32) {
        guard let host else { return }
        let channel = PendingChannel(descriptor, origin: ChannelOrigin(descriptor, listener: mark), now: nil)
        channel.onFirstMessage = { [self] hasCome in
            if hasCome { connect() } else { tryLater() }
        }
        // A channel that `watch` has closed does not call `onFirstMessage`.
        if !host.watch(channel) { tryLater() }
    }

    /// A connection that waits for "OK".
    private final class Answer: HostMember {
        /// The timeout of the monitor's answer, in nanoseconds.
        static var timeout: UInt64 { 5_000_000_000 }
        /// The most bytes of the answer: "OK ", a port and a newline.
        private static var longestLine: Int { 32 }

        private let monitor: MonitorSocket
        private var line: [UInt8] = []

        init(_ descriptor: Int32, monitor: MonitorSocket) {
            self.monitor = monitor
            super.init(descriptor)
        }

        override func deadlinePassed(now: UInt64) {
            close()
            monitor.connect()
        }

        override func ready(_ events: EventLoop.Events) {
            do {
                // The line is read byte by byte, because the bytes after it are the agent's.
                while let byte = try ChannelSocket.receive(descriptor, 1) {
                    line += byte
                    guard byte != [UInt8(ascii: "\n")] else { break }
                    guard line.count < Self.longestLine else { throw ChannelSocket.Gone() }
                }
                guard line.last == UInt8(ascii: "\n") else { return }
                guard line.starts(with: "OK ".utf8) else { throw ChannelSocket.Gone() }
                monitor.connected(relinquish())
            } catch {
                close()
                monitor.tryLater()
            }
        }
    }

    /// The pause between two attempts.
    private final class Pause: LoopMember {
        private let monitor: MonitorSocket

        init(monitor: MonitorSocket) { self.monitor = monitor }

        override func deadlinePassed(now: UInt64) { monitor.connect() }
    }
}
