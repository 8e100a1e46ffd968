internal import CRingway
internal import Glibc
internal import RingwayRing

/// A file of the model host.
class ModelFile: ScriptedFile {
    unowned let host: ModelHost
    /// The environment (peers and link) of the guest for which the file was opened.
    weak var world: (any ModelWorld)?

    init(_ host: ModelHost) {
        self.host = host
        world = host.servedWorld.map { $0() } ?? host.world
    }

    /// The file's name in error messages.
    var title: String { "\(type(of: self))" }
}

/// A file that can only be closed.
final class ModelSpare: ModelFile {}

/// eventfd(2).
final class ModelEvent: ModelFile {
    private var count: UInt64 = 0

    override var events: UInt32 { count > 0 ? UInt32(POLLIN) : 0 }

    override func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        guard count > 0, bytes.count >= 8 else { return Int(-EAGAIN) }
        bytes.storeBytes(of: count, as: UInt64.self)
        count = 0
        return 8
    }

    override func send(_ slices: [UnsafeRawBufferPointer]) -> Int {
        count += 1
        changed()
        return 8
    }
}

/// The file of a ring's descriptor, to which other rings send messages.
final class ModelRingEnd: ModelFile {
    let ring: ScriptedRing

    init(_ host: ModelHost, _ ring: ScriptedRing) {
        self.ring = ring
        super.init(host)
    }
}

/// One queue of a TAP device: every read and write is a frame, virtio-net header first.
final class ModelTap: ModelFile {
    let queue: Int
    private var frames: [[UInt8]] = []
    private var head = 0

    init(_ host: ModelHost, queue: Int) {
        self.queue = queue
        super.init(host)
    }

    override var events: UInt32 { UInt32(POLLOUT) | (head < frames.count ? UInt32(POLLIN) : 0) }

    /// Queues a frame from the guest.
    func append(_ frame: [UInt8]) {
        frames.append(frame)
        changed()
    }

    override func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        guard head < frames.count else { return Int(-EAGAIN) }
        let frame = frames[head]
        head += 1
        if head == frames.count {
            frames = []
            head = 0
        }
        bytes.copyBytes(from: frame.prefix(bytes.count))
        world?.frameTaken(frame)
        return min(frame.count, bytes.count)
    }

    override func send(_ slices: [UnsafeRawBufferPointer]) -> Int {
        var frame: [UInt8] = []
        for slice in slices { frame.append(contentsOf: slice) }
        world?.frameWritten(frame)
        return frame.count
    }
}
