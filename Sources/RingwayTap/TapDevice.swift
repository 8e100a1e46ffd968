internal import CRingway
internal import Glibc
public import RingwayModel
public import RingwaySystem
internal import RingwayWire

/// A TAP device in the caller's current network namespace, with its open queues.
///
/// A virtio-net header of twelve bytes precedes every frame. The frame's TCP or UDP checksum may be partial, and the
/// frame may be longer than the MTU (TSO, USO). A device that `make` has created exists as long as one of its queues
/// is open. An open queue keeps its network namespace alive.
public struct TapDevice: ~Copyable {
    /// The interface's name.
    public let name: String

    /// The offloads that the kernel accepted.
    public let offloads: TapOffloads

    /// One non-blocking, close-on-exec descriptor per queue.
    public private(set) var queues: [Int32]

    /// Bytes of the virtio-net header before each frame: with `num_buffers`, as in virtio 1.0.
    public static var headerLength: Int { 12 }

    /// The most bytes of an interface's name (`IFNAMSIZ` without the terminating zero).
    public static var maximumNameLength: Int { 15 }

    /// The most queues of a device that the kernel allows (`MAX_TAP_QUEUES`).
    public static var maximumQueues: Int { 256 }

    private init(name: String, offloads: TapOffloads, queues: [Int32]) {
        self.name = name
        self.offloads = offloads
        self.queues = queues
    }

    /// Creates the device. An existing name is refused, so that another program's interface is never used.
    public static func make(name: String, queues count: Int) throws(SystemError) -> TapDevice {
        precondition(count >= 1 && count <= maximumQueues)
        guard isInterfaceName(name) else {
            throw SystemError(cannot: "name an interface \"\(name)\"", errno: EINVAL)
        }
        var queues: [Int32] = []
        var offloads = TapOffloads.basic.union(.udpSegmentation)
        do throws(SystemError) {
            for index in 0..<count {
                let queue = ringway_tap_open()
                guard queue >= 0 else { throw SystemError(cannot: "open /dev/net/tun") }
                queues.append(queue)
                try configure(queue, name: name, isFirst: index == 0, isOneOfMany: count > 1, offloads: &offloads)
            }
        } catch {
            for queue in queues { close(queue) }
            throw error
        }
        return TapDevice(name: name, offloads: offloads, queues: queues)
    }

    /// Opens the device of this name, or creates it. If a single-queue device of this name exists, its queue is opened.
    /// If a multi-queue device of this name exists, `count` queues are opened.
    public static func open(name: String, queues count: Int) throws(SystemError) -> TapDevice {
        precondition(count >= 1 && count <= maximumQueues)
        guard if_nametoindex(name) != 0 else { return try make(name: name, queues: count) }
        var queues: [Int32] = []
        var offloads = TapOffloads.basic.union(.udpSegmentation)
        do throws(SystemError) {
            var isOneOfMany = true
            for index in 0..<count {
                let queue = ringway_tap_open()
                guard queue >= 0 else { throw SystemError(cannot: "open /dev/net/tun") }
                queues.append(queue)
                if index == 0, ringway_tap_attach_queue(queue, name, false, true) != 0 {
                    // With EINVAL, the device is a single-queue device.
                    isOneOfMany = false
                    guard errno == EINVAL, ringway_tap_attach_queue(queue, name, false, false) == 0 else {
                        throw SystemError(cannot: "open the interface \(name)")
                    }
                } else if index > 0, ringway_tap_attach_queue(queue, name, false, true) != 0 {
                    throw SystemError(cannot: "open another queue of the interface \(name)")
                }
                try agree(queue, name: name, offloads: &offloads)
                if !isOneOfMany { break }
            }
        } catch {
            for queue in queues { close(queue) }
            throw error
        }
        return TapDevice(name: name, offloads: offloads, queues: queues)
    }

    /// Takes ownership of open queues of one device, which must be non-blocking and close-on-exec. They are closed on
    /// failure.
    public static func adopt(queues: [Int32]) throws(SystemError) -> TapDevice {
        var offloads = TapOffloads.basic.union(.udpSegmentation)
        var name = ""
        do throws(SystemError) {
            for queue in queues {
                let (found, flags) = try describe(queue)
                guard name.isEmpty || found == name else {
                    throw SystemError(cannot: "take \(found) and \(name) for one device", errno: EINVAL)
                }
                name = found
                guard flags & Int32(IFF_TAP) != 0, flags & Int32(IFF_VNET_HDR) != 0, flags & Int32(IFF_NO_PI) != 0
                else {
                    throw SystemError(
                        cannot: "use the interface \(name)", errno: EINVAL,
                        explanation: "it must be opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR")
                }
                try agree(queue, name: name, offloads: &offloads)
            }
        } catch {
            for queue in queues { close(queue) }
            throw error
        }
        return TapDevice(name: name, offloads: offloads, queues: queues)
    }

    private static func describe(_ queue: Int32) throws(SystemError) -> (name: String, flags: Int32) {
        var flags: Int32 = 0
        var bytes = [CChar](repeating: 0, count: maximumNameLength + 1)
        guard ringway_tap_describe(queue, &bytes, &flags) == 0 else {
            throw SystemError(cannot: "use descriptor \(queue)", explanation: "it is neither a socket nor a TAP")
        }
        let name = bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return (String(decoding: name, as: UTF8.self), flags)
    }

    /// The ethernet address of the interface; zero if the device no longer exists.
    public var mac: MACAddress {
        var bytes = [UInt8](repeating: 0, count: 6)
        guard let queue = queues.first, ringway_tap_address(queue, &bytes) == 0 else {
            return MACAddress(rawValue: 0)
        }
        return bytes.withUnsafeBytes { buffer in
            buffer.baseAddress.map { MACAddress(loadingFrom: $0) } ?? MACAddress(rawValue: 0)
        }
    }

    /// Whether the name is valid: 1 to 15 printable ASCII characters without blank, `/`, `:` and `%`; not `.` or `..`.
    public static func isInterfaceName(_ name: String) -> Bool {
        let bytes = name.utf8
        guard !bytes.isEmpty, bytes.count <= maximumNameLength, name != ".", name != ".." else {
            return false
        }
        let forbidden: [UInt8] = [UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "%")]
        return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && !forbidden.contains($0) }
    }

    /// Returns the queues without closing them; the caller owns them.
    public consuming func relinquish() -> [Int32] {
        defer { queues = [] }
        return queues
    }

    deinit {
        for queue in queues { close(queue) }
    }

    private static func configure(
        _ queue: Int32, name: String, isFirst: Bool, isOneOfMany: Bool, offloads: inout TapOffloads
    ) throws(SystemError) {
        guard ringway_tap_attach_queue(queue, name, isFirst, isOneOfMany) == 0 else {
            let reason = errno
            // If an interface has this name, the kernel's error is EBUSY for a TAP and EINVAL for other kinds. Both
            // are reported as EEXIST.
            if isFirst, if_nametoindex(name) != 0 {
                throw SystemError(cannot: "make the interface \(name)", errno: EEXIST)
            }
            throw SystemError(cannot: "make the interface \(name)", errno: reason)
        }
        try agree(queue, name: name, offloads: &offloads)
    }

    /// Sets the length of the virtio-net header and the offloads of a queue.
    private static func agree(_ queue: Int32, name: String, offloads: inout TapOffloads) throws(SystemError) {
        guard ringway_tap_set_header_length(queue, Int32(headerLength)) == 0 else {
            throw SystemError(cannot: "set the frame header of \(name)")
        }
        // All queues of a device share one set of offloads. A kernel that refuses UDP segmentation does so on the
        // first queue, and the later ones are not asked for it.
        if ringway_tap_set_offloads(queue, offloads.rawValue) == 0 { return }
        offloads.subtract(.udpSegmentation)
        guard ringway_tap_set_offloads(queue, offloads.rawValue) == 0 else {
            throw SystemError(cannot: "set the offloads of \(name)")
        }
    }
}
