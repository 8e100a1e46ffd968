internal import CRingway
internal import Glibc

/// A listener with a unix datagram socket that is bound to a path. The sender of the first datagram is the guest: the
/// listener's socket is then connected to the sender's. When the guest's socket is closed, a new socket at the path
/// waits for the next guest.
///
/// The kernel does not report that the peer of a datagram socket was closed, so `Peer.isThere` is checked once a
/// second.
final class DatagramListener: GuestListener {
    private static var interval: UInt64 { 1_000 }

    private var descriptor: Int32
    private var file: SocketFile
    private let mode: mode_t
    private let place: ListenerPlace
    private var pending: PendingGuest?
    private var guest: Guest.ID?
    private var peer: Peer?
    private var isClosed = false

    /// The guest's socket, identified by the path, device and inode number of its file.
    private struct Peer {
        let path: String
        let device: UInt64
        let number: UInt64

        init?(_ path: String) {
            var device: UInt64 = 0
            var number: UInt64 = 0
            guard ringway_file_identity(path, &device, &number) == 0 else { return nil }
            self.path = path
            self.device = device
            self.number = number
        }

        /// Whether the guest's socket still exists: its file is at the path, and a connect to it is not refused.
        var isThere: Bool {
            guard let now = Peer(path), now.device == device, now.number == number else { return false }
            let probe = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard probe >= 0 else { return true }
            defer { Glibc.close(probe) }
            return SocketFile.connect(probe, path) == 0 || errno != ECONNREFUSED
        }
    }

    /// - Parameter descriptor: adopted; bound to the file.
    init(_ descriptor: Int32, file: SocketFile, mode: mode_t, place: ListenerPlace) {
        self.descriptor = descriptor
        self.file = file
        self.mode = mode
        self.place = place
    }

    func begin() {
        place.loop?.watch(descriptor) { [weak self] in self?.greet() }
    }

    /// Connects to the sender of the first datagram. The datagram then identifies the guest (`PendingGuest`).
    private func greet() {
        place.loop?.unwatch(descriptor)
        guard let path = sender(), let peer = Peer(path), SocketFile.connect(descriptor, path) == 0 else {
            // The sender's socket has no path, or none that is valid here: discards the datagram and waits for another.
            var byte: UInt8 = 0
            _ = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
            place.refuse("a datagram came from a socket that has no name here: give QEMU's -netdev dgram a local.path")
            return begin()
        }
        self.peer = peer
        pending = PendingGuest(descriptor, .datagram, place) { [weak self] _, guest in
            self?.pending = nil
            self?.guest = guest
            if let guest { self?.watchPeer(of: guest) } else { self?.renew() }
        }
    }

    private func sender() -> String? {
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        var byte: UInt8 = 0
        let count = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(
                    descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
        guard count > 0, Int(length) > start else { return nil }
        return withUnsafeBytes(of: &address.sun_path) { bytes in
            let path = bytes.prefix(Int(length) - start).prefix { $0 != 0 }
            guard !path.isEmpty, let text = ringway_text_from_bytes(path.map { CChar(bitPattern: $0) } + [0]) else {
                return nil
            }
            defer { free(text) }
            return String(cString: text)
        }
    }

    private func watchPeer(of watched: Guest.ID) {
        place.loop?.after(milliseconds: Self.interval) { [weak self] in
            guard let self, guest == watched, let peer else { return }
            guard !peer.isThere else { return watchPeer(of: watched) }
            // The guest may already have been detached.
            try? place.network?.detach(watched, because: "its socket \(peer.path) is gone")
        }
    }

    func guestLeft(_ detached: Guest.ID) {
        guard detached == guest else { return }
        guest = nil
        peer = nil
        renew()
    }

    /// Binds a new socket in place of the one that was connected to the former guest.
    private func renew() {
        guard !isClosed else { return }
        // The former descriptor is closed, and its number may be in use again, so the number is forgotten. Only the
        // first attempt removes the former socket's file: later, a new file at the path may have the same inode number.
        if descriptor >= 0 { file.remove() }
        descriptor = -1
        do throws(VirtualNetwork.Failure) {
            (descriptor, file) = try SocketFile.bind(file.path, type: SOCK_DGRAM, mode: mode)
            begin()
        } catch {
            place.report(error.description)
            place.loop?.after(milliseconds: Self.interval) { [weak self] in self?.renew() }
        }
    }

    func close() {
        isClosed = true
        if descriptor >= 0 { file.remove() }
        if let pending {
            pending.close()
        } else if guest == nil, descriptor >= 0 {
            place.loop?.unwatch(descriptor)
            Glibc.close(descriptor)
        }
    }
}
