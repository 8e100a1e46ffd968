internal import CRingway
internal import Glibc
internal import Ringway

/// `ringway serve`: the networks, and the thread that handles signals, the configuration and periodic work.
struct Daemon {
    /// A changed file is read after this many milliseconds without further changes, so that it is complete.
    private static let quiet: Int32 = 100

    private let source: ConfigurationSource
    private let service: ServiceManager
    private let ready: ReadyNotice?
    private let statistics: StatisticsFile?
    private let control: ServedControl
    /// The messages to be printed when all networks are up.
    private var notices: [String] = []
    private let state: StateOrder
    private var networks: [ServedNetwork]

    /// Starts all networks, or none.
    init(
        _ orders: [NetworkOrder], source: ConfigurationSource, service: ServiceManager, ready: ReadyNotice?,
        statistics: StatisticsFile?, control: ControlOrder = .none, state: StateOrder = .none
    ) throws(CommandFailure) {
        self.state = state
        self.source = source
        self.service = service
        self.ready = ready
        self.statistics = statistics
        self.control = ServedControl(control)
        networks = []
        do throws(CommandFailure) {
            try self.control.check(orders)
            try state.check(orders)
            for order in orders {
                let network = try ServedNetwork(order, isAlone: orders.count == 1, state: state)
                networks.append(network)
                notices.append(try network.open(self.control, isAlone: orders.count == 1))
            }
            try statistics?.write(json)
        } catch {
            self.control.stop()
            for network in networks { network.stop() }
            throw error
        }
    }

    /// Runs until a signal ends it.
    mutating func run(_ signals: borrowing SignalInbox) {
        // The watch begins before the service is announced, because the file may change right afterwards.
        var watch = ConfigurationWatch(source.path)
        for notice in notices { StandardError.write(notice) }
        ready?.send(networks.flatMap(\.publishedPorts))
        service.ready()
        var wait = BridgeWait(period: statistics == nil ? -1 : 1_000)
        while true {
            let (readable, isDue) = wait.next([signals.descriptor, watch.descriptor])
            var isAsked = false
            while let signal = signals.next() {
                switch signal.number {
                case SIGTERM, SIGINT, SIGQUIT: return end()
                case SIGHUP: isAsked = true
                case SIGTSTP, SIGTTIN, SIGTTOU: _ = kill(getpid(), SIGSTOP)
                default: break
                }
            }
            if isAsked || (readable[1] && settles(watch)) {
                // The path may now lead through other symbolic links, and so through other directories to watch. The
                // new watch begins before the file is read, so that no later change is missed.
                watch = ConfigurationWatch(source.path)
                reload(isAsked: isAsked)
            }
            if isDue { statistics?.renew(json) }
        }
    }

    /// Returns false if no event has concerned the file. Otherwise waits until no further events occur in the watched
    /// directories, and returns true.
    private func settles(_ watch: borrowing ConfigurationWatch) -> Bool {
        guard watch.drain() else { return false }
        var entry = pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0)
        // There are at most ten waits, because other programs may write to the same directory continuously.
        for _ in 0..<10 where poll(&entry, 1, Self.quiet) > 0 { _ = watch.drain() }
        return true
    }

    private func end() {
        service.stopping()
        statistics?.renew(json)
        control.stop()
        for network in networks { network.stop() }
    }

    private var json: String {
        "{\"networks\":{" + networks.map { "\"\($0.name)\":\($0.json)" }.joined(separator: ",") + "}}"
    }

    // MARK: Changes

    private mutating func reload(isAsked: Bool) {
        // The reload is reported even if nothing changes, because a service manager that requested it waits for the
        // report.
        service.reloading()
        defer { service.ready() }
        guard let path = source.path else { return }
        let orders: [NetworkOrder]
        do throws(CommandFailure) {
            orders = try source.read()
        } catch {
            return StandardError.write("\(error.message); the configuration is unchanged")
        }
        var lines: [String] = []
        for order in orders {
            if let index = networks.firstIndex(where: { $0.name == order.name }) {
                lines += networks[index].change(to: order)
            } else {
                lines.append(add(order))
            }
        }
        for network in networks where !orders.contains(where: { $0.name == network.name }) {
            lines.append("network \(network.name) is no longer in the file: it goes on until a restart")
        }
        if lines.isEmpty, isAsked { lines = ["nothing has changed"] }
        for line in lines { StandardError.write("\(path): \(line)") }
    }

    private mutating func add(_ order: NetworkOrder) -> String {
        do throws(CommandFailure) {
            let all = networks.map(\.order) + [order]
            try control.check(all)
            try state.check(all)
            let network = try ServedNetwork(order, isAlone: false, state: state)
            do throws(CommandFailure) {
                let notice = try network.open(control, isAlone: false)
                networks.append(network)
                return "\(notice), which is new"
            } catch {
                network.stop()
                throw error
            }
        } catch {
            return "network \(order.name): \(error.message)"
        }
    }
}
