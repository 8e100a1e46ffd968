internal import CRingway
internal import Glibc
internal import RingwayTap

/// A process inside the guest's namespaces. It creates TCP sockets there, and mounts the guest's resolv.conf again
/// when the kernel has removed the mount. It runs as long as the bridge, the process of `ringway run` or `attach`.
///
/// The bridge of an ordinary user could not enter the namespaces later, so the keeper stays there. Under `run` the
/// keeper is a sibling of COMMAND, and the kernel kills it when the bridge ends. Under `attach` it ends when the
/// bridge's end of the `TapHandover` socket closes, which also happens if the bridge is killed. Before it ends, it
/// removes its mounts, rules and routes from namespaces that continue to exist.
struct GuestKeeper {
    /// The guest's ends of `SocketPairs`, on which the shards request TCP sockets.
    let ends: [Int32]
    let source: SocketSource
    /// The files that are mounted for the guest's name resolution; `nil` if none are.
    let names: (any KeptNames)?
    /// The queues of an interface that ends with the guest's namespace; otherwise empty. The kernel takes up to 30 ms to
    /// remove the interface when its last descriptor closes. This process closes it, so that the bridge, for which the
    /// caller of `ringway run` waits, does not.
    let queues: [Int32]
    /// A duplicate of the guest's end of the `TapHandover` socket. The other end closes when the bridge ends.
    let life: Int32

    /// Starts the process as a sibling of the caller. The caller must have one thread, and be in the guest's
    /// namespaces.
    func start() {
        guard ringway_fork_sibling() == 0 else {
            for descriptor in ends + queues { close(descriptor) }
            return
        }
        _ = ringway_die_with_parent(SIGKILL)
        run()
    }

    /// Runs the keeper in the current process.
    func run() -> Never {
        // This process must not hold COMMAND's terminal and files, nor the working directory, whose file system could
        // otherwise not be unmounted.
        _ = ringway_new_session()
        closeOthers()
        _ = chdir("/")
        ringway_name_thread("ringway-keeper")
        serve()
        source.end()
        names?.remove()
        _exit(0)
    }

    private func closeOthers() {
        var next: UInt32 = 0
        for end in (ends + queues + [life] + source.descriptors + (names?.descriptors ?? []))
            .map({ UInt32(bitPattern: $0) }).sorted()
        {
            if end > next { _ = ringway_close_range(next, end - 1) }
            next = end + 1
        }
        _ = ringway_close_range(next, .max)
    }

    /// Runs until the bridge ends.
    private func serve() {
        names?.keep()
        var entries = ([life, names?.descriptor ?? -1] + ends).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        // Only POLLHUP matters: messages on this socket are for the process that becomes COMMAND.
        entries[0].events = 0
        while entries[0].revents == 0 {
            let count = poll(&entries, nfds_t(entries.count), names?.interval ?? -1)
            if count < 0 {
                for index in entries.indices { entries[index].revents = 0 }
                continue
            }
            if count == 0 || entries[1].revents != 0 { names?.attend(isDue: count == 0) }
            for index in entries.indices.dropFirst(2) where entries[index].revents != 0 {
                if !source.answer(entries[index].fd) {
                    close(entries[index].fd)
                    entries[index].fd = -1
                }
            }
        }
    }
}

/// Files for name resolution that are mounted over those in a namespace, and mounted again when the kernel removes the
/// mounts.
protocol KeptNames: AnyObject {
    /// Every descriptor that must stay open.
    var descriptors: [Int32] { get }
    /// Readable when `attend` must be called; negative if there is no descriptor to watch.
    var descriptor: Int32 { get }
    /// Milliseconds after which `attend` must be called even if `descriptor` is not readable; negative for no limit.
    var interval: Int32 { get }
    /// Starts to watch the mounts, and handles changes that have already occurred.
    func keep()
    /// Handles pending changes.
    ///
    /// - Parameter isDue: whether the interval has passed.
    func attend(isDue: Bool)
    /// Removes the mounts, unless the namespace ends with the guest.
    func remove()
}
