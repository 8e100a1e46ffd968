internal import CRingway
internal import Glibc
internal import RingwayTap

/// The process that stays inside the guest's namespaces for as long as the bridge lives: it makes TCP sockets there,
/// and sees to it that the guest keeps its resolver's file.
///
/// An ordinary user's bridge may not go there any more, so a process stays behind. Under `run` it is a sibling of
/// COMMAND, and ends with the bridge, however that ends; under `attach` it takes back what it did in namespaces of
/// others, and ends when the bridge has closed its end of the handover, which it does by dying too.
struct GuestKeeper {
    /// Where sockets are asked for.
    let ends: [Int32]
    let source: SocketSource
    /// The upkeep of the guest's name resolution, if there is any.
    let names: (any KeptNames)?
    /// The guest's end of the handover, whose other end closes when the bridge is gone.
    let life: Int32

    /// Starts it as a sibling. The caller has one thread and is in the guest's namespaces.
    func start() {
        guard ringway_fork_sibling() == 0 else {
            for end in ends { close(end) }
            return
        }
        _ = ringway_die_with_parent(SIGKILL)
        run()
    }

    /// Becomes it.
    func run() -> Never {
        // Without COMMAND's terminal and files, and without a working directory that keeps a file system busy.
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
        for end in (ends + [life] + source.descriptors + (names?.descriptors ?? [])).map({ UInt32(bitPattern: $0) })
            .sorted()
        {
            if end > next { _ = ringway_close_range(next, end - 1) }
            next = end + 1
        }
        _ = ringway_close_range(next, .max)
    }

    /// Works until the bridge is gone.
    private func serve() {
        names?.keep()
        var entries = ([life, names?.descriptor ?? -1] + ends).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        // Only its end is waited for: messages there are for COMMAND's process.
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

/// Files of the resolver that are shown in place of others, for as long as they are kept.
protocol KeptNames: AnyObject {
    /// Every descriptor that is needed.
    var descriptors: [Int32] { get }
    /// Readable when `attend` is to be called; negative when there is no descriptor to watch.
    var descriptor: Int32 { get }
    /// Milliseconds after which `attend` is to be called all the same; negative for never.
    var interval: Int32 { get }
    /// Begins to watch, and handles changes that happened before.
    func keep()
    /// Handles the changes that have happened.
    ///
    /// - Parameter isDue: whether the interval is over.
    func attend(isDue: Bool)
    /// Takes everything back, where the namespace goes on living.
    func remove()
}
