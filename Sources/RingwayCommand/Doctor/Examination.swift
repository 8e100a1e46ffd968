internal import CRingway
internal import Glibc
internal import Ringway
internal import RingwayTap

/// The checks of `ringway doctor`, in the order in which `ringway run` needs the features.
enum Examination {
    /// Checks the machine for the calling user.
    static func findings() -> [Finding] {
        // The trial forks, so it comes before any thread is started.
        let trial = guestTrial()
        return [kernel(), tunDevice(), userNamespaces()] + trial + [reactor()] + ringFeatures()
            + [sandbox(), pingSockets(), openFiles(), nameServers(), guestNetwork(NetworkChoice()), lowPorts()]
    }

    static func kernel() -> Finding {
        let release = Setting("/proc/sys/kernel/osrelease").text ?? "unknown"
        return kernel(release: release)
    }

    static func kernel(release: String) -> Finding {
        let numbers = release.split(whereSeparator: { $0 == "." || $0 == "-" || $0 == "+" }).prefix(2)
            .compactMap { Int($0) }
        let isEnough = numbers.count == 2 && (numbers[0], numbers[1]) >= (5, 15)
        return isEnough
            ? .present("kernel", release)
            : .missing(
                "kernel", release, cost: "untested: Ringway is made for Linux 5.15 and newer",
                remedy: "use Linux 5.15 or newer, best 6.7 or newer")
    }

    static func tunDevice() -> Finding {
        let descriptor = ringway_tap_open()
        if descriptor >= 0 {
            close(descriptor)
            return .present("/dev/net/tun", "can be opened", isRequired: true)
        }
        let reason = errno
        let remedy =
            switch reason {
            case EACCES, EPERM: "as root: chmod 0666 /dev/net/tun"
            case ENOENT:
                "as root: modprobe tun; in a container, give it the device (docker run --device /dev/net/tun)"
            default: "as root: modprobe tun"
            }
        return .missing(
            "/dev/net/tun", String(cString: strerror(reason)), cost: "no interface can be made", remedy: remedy,
            isRequired: true)
    }

    static func userNamespaces() -> Finding {
        let name = "user namespaces"
        if geteuid() == 0 { return .present(name, "not needed: you are root") }
        let obstacles = userNamespaceObstacles(
            limit: Setting("/proc/sys/user/max_user_namespaces").number,
            clone: Setting("/proc/sys/kernel/unprivileged_userns_clone").number,
            appArmor: Setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").number)
        guard let first = obstacles.first else { return .present(name, "no setting forbids them") }
        return .missing(
            name, first.setting, cost: "only root can run guests", remedy: first.remedy)
    }

    /// The settings that prevent an ordinary user from creating a user namespace, and their remedies. An argument is
    /// `nil` if the kernel lacks the setting.
    static func userNamespaceObstacles(
        limit: Int?, clone: Int?, appArmor: Int?
    ) -> [(setting: String, remedy: String)] {
        var obstacles: [(setting: String, remedy: String)] = []
        if limit == 0 {
            obstacles.append(("user.max_user_namespaces is 0", "as root: sysctl user.max_user_namespaces=15000"))
        }
        if clone == 0 {
            obstacles.append(
                ("kernel.unprivileged_userns_clone is 0", "as root: sysctl kernel.unprivileged_userns_clone=1"))
        }
        if let appArmor, appArmor > 0 {
            obstacles.append(
                (
                    "kernel.apparmor_restrict_unprivileged_userns is \(appArmor)",
                    "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for "
                        + "ringway with \"userns,\""
                ))
        }
        return obstacles
    }

    /// Performs the steps of `run` in temporary namespaces, but starts no COMMAND.
    static func guestTrial() -> [Finding] {
        do throws(CommandFailure) {
            let order = try BridgeOrder(trialWithQueues: 2)
            let signals = try SignalInbox()
            defer { signals.origin.restore() }
            let guest = try StartingGuest(order, signals: signals.origin)
            do throws(CommandFailure) {
                let (queues, offloads) = try guest.queues()
                _ = try guest.awaitConfigured()
                _ = guest.process.waitForEnd()
                return [.present("guest", "namespaces, interface, addresses and routes can be made", isRequired: true)]
                    + offloadFindings(offloads) + [dataPath(order, queues, offloads)]
            } catch {
                guest.end()
                throw error
            }
        } catch {
            return [
                .missing(
                    "guest", error.message, cost: "no guest can be set up",
                    remedy: "see the other lines; where they are well, run as root", isRequired: true)
            ]
        }
    }

    static func offloadFindings(_ offloads: TapOffloads) -> [Finding] {
        var findings = [Finding.present("interface", "queues: several; frames that wait: 10000")]
        findings.append(.present("TCP segmentation offload", "accepted"))
        findings.append(
            offloads.isSuperset(of: .udpSegmentation)
                ? .present("UDP segmentation offload", "accepted")
                : .missing(
                    "UDP segmentation offload", "refused", cost: "bulk UDP such as QUIC goes one datagram per frame",
                    remedy: "use Linux 6.2 or newer"))
        return findings
    }

    /// Starts a network with the interface of the trial. The open queues keep the interface's namespace alive after
    /// the trial's process has ended.
    private static func dataPath(_ order: BridgeOrder, _ queues: [Int32], _ offloads: TapOffloads) -> Finding {
        do throws(VirtualNetwork.Failure) {
            let network = try VirtualNetwork(order.configuration)
            defer { network.stop() }
            try network.attach(
                tap: queues, guest: order.identity,
                takesUDPSuperFrames: offloads.isSuperset(of: .udpSegmentation))
            return .present("data path", "\(queues.count) shards start", isRequired: true)
        } catch {
            return .missing(
                "data path", error.description, cost: "no traffic can be carried",
                remedy: "raise what it is short of: memory, descriptors or threads", isRequired: true)
        }
    }

    static func reactor() -> Finding {
        let (reactor, obstacle) = KernelFeatures.reactor()
        return self.reactor(
            reactor, reason: obstacle?.reason, remedy: obstacle?.remedy,
            disabled: Setting("/proc/sys/kernel/io_uring_disabled").number)
    }

    /// The finding about the reactor, which is io_uring or epoll.
    ///
    /// - Parameters:
    ///   - reason, remedy: why io_uring cannot be used, and the remedy; `nil` if it can.
    ///   - disabled: the sysctl kernel.io_uring_disabled, if the kernel has it.
    static func reactor(_ reactor: Reactor, reason: String?, remedy: String?, disabled: Int?) -> Finding {
        guard let reason, let remedy else { return .present("reactor", reactor.rawValue) }
        let mending =
            switch disabled {
            case 1?: "as root: sysctl kernel.io_uring_disabled=0, or join the group of kernel.io_uring_group"
            case 2?: "as root: sysctl kernel.io_uring_disabled=0"
            default: remedy
            }
        return .missing(
            "reactor", "\(reactor.rawValue), because \(reason)",
            cost: "more processor time for small packets and many connections; bulk goes as fast", remedy: mending)
    }

    static func ringFeatures() -> [Finding] {
        KernelFeatures.probe().map { (name, isPresent, since, cost, remedy) in
            isPresent
                ? .present("\(name)", "since Linux \(since)")
                : .missing("\(name)", "since Linux \(since)", cost: "\(cost)", remedy: "\(remedy)")
        }
    }
}
