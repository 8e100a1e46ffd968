internal import CRingway
internal import Glibc
internal import Ringway

/// `ringway attach`: carries the traffic of an existing network namespace.
struct AttachedBridge {
    let order: BridgeOrder

    init(_ order: BridgeOrder) { self.order = order }

    /// Runs until SIGTERM, SIGINT, SIGHUP or SIGQUIT, until the guest's interface fails or is deleted, or until the
    /// process or file that names the namespace is gone. The process or file is watched, because the open TAP keeps
    /// the namespace itself alive.
    func run() throws(CommandFailure) -> Int32 {
        order.ready?.claim()
        let signals = try SignalInbox()
        let watch = try NamespaceWatch(order.origin)
        let names = try AttachedNames(order)
        defer { if let line = names.takeBack() { StandardError.write("names: \(line)") } }
        let guest = try StartingGuest(order, signals: signals.origin)
        BridgeProcess.prepare(order.sandbox)
        let connection: BridgeConnection
        do throws(CommandFailure) {
            connection = try BridgeConnection(order, to: guest)
        } catch {
            guest.end()
            throw error
        }
        if let line = names.line(note: connection.note) { StandardError.write("names: \(line)") }
        supervise(signals, watch, connection)
        connection.stop()
        guest.end()
        return 0
    }

    private func supervise(
        _ signals: borrowing SignalInbox, _ watch: borrowing NamespaceWatch, _ connection: BridgeConnection
    ) {
        let lost = LinkLoss()
        connection.network.onLinkLost { lost.report() }
        var wait = BridgeWait(period: watch.needsPolling ? 1000 : connection.statisticsInterval)
        while true {
            let (readable, isDue) = wait.next([
                signals.descriptor, lost.descriptor, watch.descriptor, connection.control.descriptor,
            ])
            if readable[3] { connection.control.start() }
            while let signal = signals.next() {
                if [SIGTERM, SIGINT, SIGHUP, SIGQUIT].contains(signal.number) { return }
                stopIfAsked(by: signal.number)
            }
            if readable[1] || readable[2] || watch.isGone { return }
            if isDue { connection.renewStatistics() }
        }
    }

    /// Stops this process for a job control signal, as the signal's default action would if it were not blocked.
    private func stopIfAsked(by signal: Int32) {
        guard [SIGTSTP, SIGTTIN, SIGTTOU].contains(signal) else { return }
        _ = kill(getpid(), SIGSTOP)
    }
}
