internal import CRingway
internal import Glibc
internal import RingwayRing

/// The buffer between the two ends of a pipe(7).
final class ModelPipeBuffer {
    var bytes = ByteQueue()
    static var capacity: Int { 65_536 }
}

final class ModelPipeEnd: ModelFile {
    let buffer: ModelPipeBuffer

    init(_ host: ModelHost, _ buffer: ModelPipeBuffer) {
        self.buffer = buffer
        super.init(host)
    }
}

/// The channel on which the program requests and receives sockets that were created inside the guest.
final class ModelSocketLine: ModelFile {
    private var answers: [(family: UInt8, sockets: [ModelStream])] = []

    override var events: UInt32 { UInt32(POLLOUT) | (answers.isEmpty ? 0 : UInt32(POLLIN)) }

    override func send(_ slices: [UnsafeRawBufferPointer]) -> Int {
        guard let slice = slices.first, slice.count == 2 else { return Int(-EINVAL) }
        world?.socketsWanted(family: slice[0], count: Int(slice[1]), self)
        return 2
    }

    func answer(family: UInt8, sockets: [ModelStream]) {
        for socket in sockets { socket.hold() }
        answers.append((family, sockets))
        changed()
    }

    /// Receives the oldest reply: its family and its sockets' descriptors. A socket for which no descriptor is free is
    /// left out. Returns the number of descriptors; `nil` if there is no reply.
    func take(_ byte: UnsafeMutablePointer<UInt8>, _ descriptors: UnsafeMutablePointer<Int32>) -> Int? {
        guard !answers.isEmpty else { return nil }
        let answer = answers.removeFirst()
        byte.pointee = answer.family
        var count = 0
        for socket in answer.sockets {
            let descriptor = host.open(socket)
            if descriptor >= 0 {
                descriptors[count] = descriptor
                count += 1
            }
            socket.letGo()
        }
        return count
    }

    override func released() {
        for answer in answers { for socket in answer.sockets { socket.letGo() } }
        answers = []
    }
}

extension ModelHost {
    /// splice(2) between a pipe and a stream.
    func moveBytes(_ source: ScriptedFile, _ sink: ScriptedFile, _ count: Int) -> Int {
        if let stream = source as? ModelStream, let pipe = sink as? ModelPipeEnd {
            let room = min(count, ModelPipeBuffer.capacity - pipe.buffer.bytes.count)
            guard room > 0 else { return Int(-EAGAIN) }
            var moved = 0
            withUnsafeTemporaryAllocation(byteCount: share(room), alignment: 8) { buffer in
                moved = stream.receive(buffer)
                if moved > 0 {
                    pipe.buffer.bytes.append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<moved]))
                }
            }
            return moved
        }
        guard let pipe = source as? ModelPipeEnd, let stream = sink as? ModelStream else { return Int(-EINVAL) }
        let available = min(count, pipe.buffer.bytes.count)
        guard available > 0 else { return Int(-EAGAIN) }
        var moved = 0
        withUnsafeTemporaryAllocation(byteCount: share(available), alignment: 8) { buffer in
            let peeked = pipe.buffer.bytes.peek(buffer)
            moved = stream.send([UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<peeked])])
            if moved > 0 { _ = pipe.buffer.bytes.take(moved) }
        }
        return moved
    }
}
