internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayRing
internal import RingwaySystem
internal import RingwayWire

/// The environment of one guest on the model host: the peers of its sockets, and its link.
protocol ModelWorld: AnyObject {
    func connects(_ stream: ModelStream, to address: TransportAddress)
    func datagramSent(_ payload: [UInt8], by socket: ModelDatagramSocket, to address: TransportAddress)
    /// Called when the engine has read a frame from the guest, and when it has written a frame to the guest.
    func frameTaken(_ frame: [UInt8])
    func frameWritten(_ frame: [UInt8])
    func socketsWanted(family: UInt8, count: Int, _ line: ModelSocketLine)
}

/// A host simulated in one thread from one seed: descriptors, files, a clock that advances from event to event, and a
/// script of faults.
///
/// All ring operations and system calls of the program under test are executed here. All events are hashed into
/// `digest`, to compare two runs of a seed.
final class ModelHost: ScriptedHost {
    enum Event {
        case attempt(ScriptedOperation)
        case deliver(Completion, ScriptedOperation?, ScriptedRing)
        /// An event of the environment.
        case happen(() -> Void)
    }

    let script: HostScript
    /// The time from which no failures are injected, so that every connection that has not failed can complete.
    let healsAt: UInt64
    let startsAt: UInt64
    var random: SplitMix64
    private(set) var time: UInt64
    /// The environment that new files get. During a shard's step they get the result of `servedWorld` instead, which
    /// is the environment of the guest that the shard is serving.
    weak var world: (any ModelWorld)?
    var servedWorld: (() -> (any ModelWorld)?)?
    private(set) var failure: String?
    private(set) var digest: UInt64 = 0
    private var queue = EventQueue<Event>()
    private var files: [ModelFile?] = []
    /// The rings in the order of their creation; `nil` for a closed one.
    private(set) var rings: [ScriptedRing?] = []
    /// Whether no failures are injected, as during set-up.
    var isCalm = true
    private var ports: UInt16 = 1_024

    init(_ script: HostScript, random: SplitMix64, startsAt: UInt64, healsAt: UInt64) {
        self.script = script
        self.random = random
        self.startsAt = startsAt
        time = startsAt
        self.healsAt = healsAt
    }

    // MARK: Time

    override var now: UInt64 { time }
    var nextTime: UInt64? { queue.nextTime }

    func advance(to instant: UInt64) { time = max(time, instant) }

    func schedule(after nanoseconds: UInt64, _ body: @escaping () -> Void) {
        queue.schedule(.happen(body), at: time &+ nanoseconds)
    }

    /// Executes one event that is due; false if there is none.
    func happen() -> Bool {
        guard let event = queue.popFirst(until: time) else { return false }
        switch event {
        case .attempt(let operation):
            operation.ring.countEvent(of: operation.tenant, -1)
            operation.ring.attempt(operation)
        case .deliver(let completion, let operation, let ring):
            ring.countEvent(of: completion.tag.tenant, -1)
            ring.deliver(completion, of: operation)
        case .happen(let body): body()
        }
        return true
    }

    func note(_ words: UInt64...) {
        for word in words { digest = SplitMix64.mix(digest ^ word) &+ 0x9E37_79B9_7F4A_7C15 }
    }

    override func blame(_ text: String) { failure = failure ?? text }

    // MARK: Descriptors

    var hasFaults: Bool { !isCalm && time < healsAt }

    /// Returns a descriptor for the file, the lowest that is free; -EMFILE if the script simulates exhaustion.
    func open(_ file: ModelFile) -> Int32 {
        if hasFaults, random.chance(script.missingDescriptors) { return -EMFILE }
        file.hold()
        let index = files.firstIndex { $0 == nil } ?? files.count
        if index == files.count { files.append(file) } else { files[index] = file }
        return HostModel.firstDescriptor + Int32(index)
    }

    func known(_ descriptor: Int32) -> ModelFile? {
        let index = Int(descriptor) - Int(HostModel.firstDescriptor)
        return files.indices.contains(index) ? files[index] : nil
    }

    override func file(_ descriptor: Int32) -> ScriptedFile? { known(descriptor) }

    /// The open files, for the error message at the end of a run, when no file may be open.
    var openFiles: [String] { files.compactMap { $0?.title } }

    override func close(_ descriptor: Int32) -> Int32 {
        guard let file = known(descriptor) else {
            blame("descriptor \(descriptor) is closed, which is not open")
            errno = EBADF
            return -1
        }
        files[Int(descriptor - HostModel.firstDescriptor)] = nil
        file.letGo()
        return 0
    }

    /// The next ephemeral port, from 1,024 to 18,999.
    func freePort() -> UInt16 {
        ports &+= 1
        if ports < 1_024 || ports >= 19_000 { ports = 1_024 }
        return ports
    }

    // MARK: Rings

    override func opened(_ ring: ScriptedRing) -> Int32 {
        rings.append(ring)
        return open(ModelRingEnd(self, ring))
    }

    override func closed(_ ring: ScriptedRing) {
        if let place = rings.firstIndex(where: { $0 === ring }) { rings[place] = nil }
        _ = close(ring.descriptor)
    }

    override func ring(_ descriptor: Int32) -> ScriptedRing? { (known(descriptor) as? ModelRingEnd)?.ring }

    override func completed(_ ring: ScriptedRing, _ completion: Completion) {
        note(time, completion.tag.rawValue, UInt64(bitPattern: Int64(completion.result)), UInt64(completion.flags))
    }

    // MARK: The script

    override func delay(of operation: ScriptedOperation) -> UInt64 {
        // Writes to the link are not delayed: unequal delays would reorder frames, which is left to `FaultyLink`.
        if operation.file is ModelTap, operation.kind == .send { return 0 }
        return random.chance(script.lateAttempts) ? random.time(0...script.attemptDelay) : 0
    }

    override func schedule(_ operation: ScriptedOperation, after nanoseconds: UInt64) {
        operation.ring.countEvent(of: operation.tenant, 1)
        queue.schedule(.attempt(operation), at: time &+ nanoseconds)
    }

    override func lateness(of operation: ScriptedOperation) -> UInt64 {
        // The completion of an accept is posted immediately: if the ring were closed before it is posted, the
        // accepted descriptor would leak.
        if operation.kind == .accept { return 0 }
        return random.chance(script.lateCompletions) ? random.time(0...script.completionDelay) : 0
    }

    override func schedule(
        _ completion: Completion, of operation: ScriptedOperation?, to ring: ScriptedRing, at instant: UInt64
    ) {
        ring.countEvent(of: completion.tag.tenant, 1)
        queue.schedule(.deliver(completion, operation, ring), at: instant)
    }

    override func failure(of operation: ScriptedOperation) -> Int32 {
        guard hasFaults else { return 0 }
        switch operation.file {
        case is ModelTap:
            let rate = operation.kind == .send ? script.lostWrites : script.missingBuffers
            return random.chance(rate) ? ENOBUFS : 0
        case is ModelStream:
            if operation.kind == .receive, random.chance(script.missingBuffers) { return ENOBUFS }
            guard random.chance(script.shortages) else { return 0 }
            switch operation.kind {
            case .send: return random.pick([ENOBUFS, ENOMEM, EAGAIN, EINTR])
            case .receive: return random.pick([ENOMEM, EAGAIN, EINTR])
            default: return 0
            }
        case is ModelDatagramSocket:
            if operation.kind == .receive { return random.chance(script.missingBuffers) ? ENOBUFS : 0 }
            return random.chance(script.shortages) ? random.pick([ENOBUFS, ENOMEM]) : 0
        default: return 0
        }
    }

    override func share(of count: Int, _ operation: ScriptedOperation) -> Int { share(count) }

    func share(_ count: Int) -> Int {
        random.chance(script.shortMoves) ? max(1, random.skewed(count)) : count
    }

    override func ends(_ operation: ScriptedOperation) -> Bool { hasFaults && random.chance(script.multishotEnds) }

    override func isTooLate(toCancel operation: ScriptedOperation) -> Bool { random.chance(script.lateCancels) }

    // MARK: Calls

    override func socket(_ family: Int32, _ type: Int32, _ transport: Int32) -> Int32 {
        let ipv4 = family == AF_INET
        switch UInt32(bitPattern: type) & 15 {
        case SOCK_STREAM.rawValue: return opened(ModelStream(self, ipv4: ipv4))
        case SOCK_DGRAM.rawValue:
            let isEcho = transport == Int32(IPPROTO_ICMP) || transport == Int32(IPPROTO_ICMPV6)
            let local = ipv4 ? Self.nowhere4 : Self.nowhere6
            return opened(ModelDatagramSocket(self, ipv4: ipv4, isEcho: isEcho, local: local))
        default:
            errno = EPERM
            return -1
        }
    }

    override func pipe() -> (Int32, Int32)? {
        let buffer = ModelPipeBuffer()
        let reading = opened(ModelPipeEnd(self, buffer))
        guard reading >= 0 else { return nil }
        let writing = opened(ModelPipeEnd(self, buffer))
        guard writing >= 0 else {
            _ = close(reading)
            return nil
        }
        return (reading, writing)
    }

    override func event() -> Int32 { opened(ModelEvent(self)) }
    override func spare() -> Int32 { opened(ModelSpare(self)) }

    override func bind(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
        guard let file = expected(descriptor), var name = Self.read(address, length) else { return -1 }
        if name.port == 0 { name.port = freePort() }
        switch file {
        case let stream as ModelStream: stream.local = name
        case let socket as ModelDatagramSocket: socket.local = name
        default: return Int32(Self.result(Int(-EINVAL)))
        }
        return 0
    }

    override func connect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
        guard let file = expected(descriptor) else { return -1 }
        // The program connects a datagram socket only to query the path MTU, which does not depend on the address here.
        if file is ModelDatagramSocket { return 0 }
        return Int32(Self.result(file.connect(address, length)))
    }

    override func accept(_ descriptor: Int32) -> Int32 {
        guard let file = expected(descriptor) else { return -1 }
        return Int32(Self.result(file.accept()))
    }

    override func name(
        _ descriptor: Int32, isPeer: Bool, _ address: UnsafeMutablePointer<sockaddr>,
        _ length: UnsafeMutablePointer<socklen_t>
    ) -> Int32 {
        guard let file = expected(descriptor) else { return -1 }
        var found: TransportAddress?
        switch file {
        case let stream as ModelStream:
            if !isPeer {
                found = stream.local ?? (stream.isIPv4 ? Self.nowhere4 : Self.nowhere6)
            } else if stream.state == .connected {
                found = stream.remote
            }
        case let socket as ModelDatagramSocket: found = isPeer ? nil : socket.local
        case let listener as ModelListener: found = isPeer ? nil : listener.address
        default: break
        }
        guard let found else { return Int32(Self.result(Int(-ENOTCONN))) }
        length.pointee = Self.write(found, to: address, room: length.pointee)
        return 0
    }

    override func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Int32 {
        expected(descriptor) == nil ? -1 : 0
    }

    override func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
        guard expected(descriptor) != nil else { return -EBADF }
        let isMTU = level == Int32(IPPROTO_IP) && name == IP_MTU || level == Int32(IPPROTO_IPV6) && name == IPV6_MTU
        return isMTU ? 1_500 : 7_200
    }

    override func lingerZero(_ descriptor: Int32) { (expected(descriptor) as? ModelStream)?.lingers = false }

    override func takeError(_ descriptor: Int32) -> Int32 { (expected(descriptor) as? ModelStream)?.takeError() ?? 0 }

    override func unread(_ descriptor: Int32) -> Int { (expected(descriptor) as? ModelStream)?.incoming.count ?? 0 }

    override func isDelivered(_ descriptor: Int32) -> Bool {
        guard let stream = expected(descriptor) as? ModelStream else { return true }
        return stream.outgoing.isEmpty
    }

    override func receive(
        _ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int, _ flags: Int32
    ) -> Int {
        guard let file = expected(descriptor) else { return -1 }
        let target = UnsafeMutableRawBufferPointer(start: bytes, count: count)
        guard let stream = file as? ModelStream else { return Self.result(file.receive(target)) }
        return Self.result(stream.receive(target, peeks: flags & Int32(MSG_PEEK) != 0))
    }

    override func send(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: Int32) -> Int {
        guard let file = expected(descriptor) else { return -1 }
        return Self.result(file.send([UnsafeRawBufferPointer(start: bytes, count: count)]))
    }

    override func receiveMessage(
        _ descriptor: Int32, _ message: UnsafeMutablePointer<msghdr>, _ flags: Int32
    ) -> Int {
        guard let file = expected(descriptor) else { return -1 }
        // The model's sockets have no error queue.
        if flags & Int32(MSG_ERRQUEUE) != 0 { return Self.result(Int(-EAGAIN)) }
        return Self.result(file.receive(message))
    }

    override func sendMessage(_ descriptor: Int32, _ message: UnsafePointer<msghdr>, _ flags: Int32) -> Int {
        expected(descriptor) == nil ? -1 : Self.result(Int(-EPERM))
    }

    override func receiveDescriptors(
        _ descriptor: Int32, _ byte: UnsafeMutablePointer<UInt8>, _ descriptors: UnsafeMutablePointer<Int32>,
        _ count: inout Int
    ) -> Int {
        guard let line = expected(descriptor) as? ModelSocketLine else { return -1 }
        guard let taken = line.take(byte, descriptors) else { return Self.result(Int(-EAGAIN)) }
        count = taken
        return 1
    }

    override func splice(_ from: Int32, _ to: Int32, _ count: Int) -> Int {
        guard let source = expected(from), let sink = expected(to) else { return Int(-EBADF) }
        return moveBytes(source, sink, count)
    }

    override func shutdown(_ descriptor: Int32, _ how: Int32) -> Int32 {
        guard let file = expected(descriptor) else { return -1 }
        return Int32(Self.result(-Int((file as? ModelStream)?.shutDown() ?? ENOTCONN)))
    }
}
