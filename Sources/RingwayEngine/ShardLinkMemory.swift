internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStorage

/// What a shard keeps in memory of its own beside its tables, at fixed places that the ring knows.
struct ShardLinkMemory {
    let arrivals: UnsafeMutablePointer<FrameCutter>?
    let departures: UnsafeMutablePointer<OutgoingFrames>?
    let receiveTemplate: UnsafeMutablePointer<msghdr>
    let port: SwitchPort

    init(
        _ framing: Link.Framing, pool: UnsafeMutablePointer<BufferPool>, counters: Counters,
        port makePort: () throws(MemoryFailure) -> SwitchPort
    ) throws(MemoryFailure) {
        var blocks = MemoryBlocks()
        let template = try blocks.apart(1, of: msghdr.self)
        let cutter: UnsafeMutablePointer<FrameCutter>?
        if case .stream = framing { cutter = try blocks.apart(1, of: FrameCutter.self) } else { cutter = nil }
        let frames = framing == .device ? nil : try blocks.apart(1, of: OutgoingFrames.self)
        if let cutter, case .stream(let streamFraming) = framing {
            cutter.initialize(to: try FrameCutter(streamFraming))
        }
        do throws(MemoryFailure) {
            if let frames { frames.initialize(to: try OutgoingFrames(framing, pool: pool, counters: counters)) }
        } catch {
            cutter?.deinitialize(count: 1)
            throw error
        }
        do throws(MemoryFailure) {
            port = try makePort()
        } catch {
            cutter?.deinitialize(count: 1)
            frames?.deinitialize(count: 1)
            throw error
        }
        blocks.keep()
        template.initialize(to: msghdr())
        receiveTemplate = template
        arrivals = cutter
        departures = frames
    }
}

extension RingError {
    /// What `make` gives; a failure of memory is told as the ring's.
    static func orMemory<Value: ~Copyable>(
        _ make: () throws(MemoryFailure) -> Value
    ) throws(RingError) -> Value {
        do throws(MemoryFailure) { return try make() } catch { throw RingError(error) }
    }
}
