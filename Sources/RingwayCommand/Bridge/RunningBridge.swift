internal import CRingway
internal import Glibc
internal import Ringway

/// `ringway run`: starts COMMAND in a new guest, and carries its traffic until COMMAND ends.
struct RunningBridge {
    let order: BridgeOrder

    init(_ order: BridgeOrder) { self.order = order }

    /// Runs COMMAND to its end and returns its exit status as in a shell.
    func run() throws(CommandFailure) -> Int32 {
        order.ready?.claim()
        let signals = try SignalInbox()
        let guest = try StartingGuest(order, signals: signals.origin)
        BridgeProcess.prepare(order.sandbox)
        let connection: BridgeConnection
        do throws(CommandFailure) {
            connection = try BridgeConnection(order, to: guest)
        } catch {
            guest.end()
            throw error
        }
        guest.go()
        let status = supervise(guest.process, signals, connection)
        connection.stop()
        return status
    }

    /// Handles signals and state changes of COMMAND as `SignalPolicy` decides, until COMMAND ends. Returns its exit
    /// status.
    private func supervise(
        _ command: GuestProcess, _ signals: borrowing SignalInbox, _ connection: BridgeConnection
    ) -> Int32 {
        var policy = SignalPolicy()
        var wait = BridgeWait(period: connection.statisticsInterval)
        while true {
            let (readable, isDue) = wait.next([signals.descriptor, connection.control.descriptor])
            if readable[1] { connection.control.start() }
            while let signal = signals.next() {
                perform(policy.receive(signal, reachesCommand: command.isInBridgeGroup), on: command)
            }
            while let change = command.nextChange() {
                if let status = change.exitStatus { return status }
                switch change {
                case .stopped(let signal): perform(policy.commandDidStop(by: signal), on: command)
                case .continued: policy.commandDidContinue()
                case .exited, .signalled: break
                }
            }
            if isDue { connection.renewStatistics() }
        }
    }

    private func perform(_ action: SignalPolicy.Action, on command: GuestProcess) {
        switch action {
        case .none: break
        case .forward(let signal): command.send(signal)
        case .stopBridge:
            // All threads stop here, until the shell sends SIGCONT.
            _ = kill(getpid(), SIGSTOP)
            command.send(SIGCONT)
        }
    }
}
