internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// The steps that report results of sockets and services to the stack.
extension ScriptedNetwork {
    /// The socket that a step selects, or the newest open socket if the selected one is closed; `nil` if none is open.
    private func socket(_ choice: UInt8) -> Int? {
        guard !sockets.isEmpty else { return nil }
        let index = Int(choice) % sockets.count
        return sockets[index].isOver ? sockets.indices.last { !sockets[$0].isOver } : index
    }

    mutating func stepSocket(_ step: ScriptStep, _ reader: inout ScriptReader) {
        let choice = reader.byte()
        let count =
            step == .connected ? Int(reader.byte()) : step == .sent || step == .received ? Int(reader.integer(2)) : 0
        guard let index = socket(choice) else { return }
        let handle = sockets[index].handle
        switch step {
        case .connected:
            guard sockets[index].isConnecting else { return }
            sockets[index].isConnecting = false
            answerConnect(index, count)
        case .sent:
            guard sockets[index].isSending else { return }
            let taken = min(count, sockets[index].heldBytes)
            release(index)
            stack.streamSent(handle, bytes: taken)
        case .received:
            let limit = sockets[index].receiveLimit
            // The engine reserves the last buffers for frames from the guest.
            guard limit > 0, pool.pointee.largeAvailable > 24 else { return }
            sockets[index].receiveLimit = 0
            let lease = pool.pointee.lease(.large)
            let length = max(1, min(count, limit))
            stack.streamReceived(handle, lease, offset: Stack.headroom, length: length)
        case .ended:
            guard sockets[index].receiveLimit > 0 else { return }
            sockets[index].receiveLimit = 0
            stack.streamEnded(handle)
        case .failed:
            guard !sockets[index].isConnecting else { return }
            sockets[index].isOver = true
            release(index)
            stack.streamFailed(handle)
        default:
            guard sockets[index].receiveLimit > 0 else { return }
            sockets[index].receiveLimit = 0
            stack.streamReceiveStarved(handle)
        }
    }

    private mutating func answerConnect(_ index: Int, _ answer: Int) {
        let failures: [ConnectFailure] = [
            .refused, .hostUnreachable, .networkUnreachable, .prohibited, .timedOut, .exhausted,
        ]
        // `answer` is encoded as by `Recorder.connected`: zero is success.
        let number = answer % 7
        guard number > 0 else { return stack.streamConnected(sockets[index].handle) }
        sockets[index].isOver = true
        stack.streamConnectFailed(sockets[index].handle, failures[number - 1])
    }

    mutating func open(_ choice: UInt8) {
        let ends = ScriptedFrame.ends(choice, plan)
        let loopback = ends.isIPv6 ? IPAddress(IPv6Address(high: 0, low: 1)) : IPAddress(IPv4Address(127, 0, 0, 1))
        let isLocal = plan.isHost(ends.remote.address)
        let client = TransportAddress(address: isLocal ? loopback : ends.remote.address, port: ends.remote.port)
        guard let handle = stack.openFromHost(client: client, guest: ends.guest) else { return }
        sockets.append(Socket(handle: handle))
        stack.streamOpened(handle, socket: UInt32(sockets.count - 1))
    }

    // MARK: Datagrams

    private mutating func buffer(_ count: UInt64) -> (lease: Lease, length: Int)? {
        guard pool.pointee.largeAvailable > 24 else { return nil }
        return (pool.pointee.lease(.large), min(Int(count), 65_507))
    }

    private static func pick(_ handles: [Handle], _ choice: UInt8) -> Handle? {
        handles.isEmpty ? nil : handles[Int(choice) % handles.count]
    }

    mutating func stepDatagram(_ step: ScriptStep, _ code: UInt8, _ reader: inout ScriptReader) {
        let choice = reader.byte()
        let count = reader.integer(2)
        let detail = reader.byte()
        let sender = ScriptedFrame.ends(detail, plan).remote
        switch step {
        case .datagram:
            guard let mapping = Self.pick(names.mappings, choice), let buffer = buffer(count) else { return }
            // Several datagrams in one buffer, as the kernel joins them (UDP_GRO): at most 64 of the same size.
            let segmentSize = detail & 0x40 != 0 && buffer.length > 64 ? (buffer.length + 63) / 64 : 0
            stack.datagramReceived(
                mapping, from: sender, buffer.lease, offset: Stack.headroom, length: buffer.length,
                segmentSize: segmentSize, marks: DatagramMarks(hopLimit: detail, trafficClass: choice))
        case .forwarded:
            guard let buffer = buffer(count) else { return }
            let guest = ScriptedFrame.ends(choice, plan).guest
            guard guest.address.isIPv4 == sender.address.isIPv4 else { return pool.pointee.release(buffer.lease) }
            stack.forwardedDatagramReceived(
                listener: UInt32(detail & 3), from: sender, to: sender.address, guest: guest, buffer.lease,
                offset: Stack.headroom, length: buffer.length, segmentSize: 0)
        case .answered:
            guard let query = Self.pick(names.queries, choice) else { return }
            guard code & 0x80 == 0, let buffer = buffer(count) else { return stack.queryRefused(query) }
            stack.queryAnswered(query, buffer.lease, offset: Stack.headroom, length: buffer.length)
        case .echoed:
            guard let ping = Self.pick(names.pings, choice), let buffer = buffer(count) else { return }
            guard code & 0x80 != 0 else {
                return stack.echoReceived(
                    ping, from: sender.address, buffer.lease, offset: Stack.headroom, length: buffer.length,
                    hopLimit: detail)
            }
            let message = UnsafeRawBufferPointer(
                start: space.address(of: buffer.lease) + Stack.headroom, count: buffer.length)
            stack.pingFailed(ping, to: sender.address, .hostUnreachable, from: nil, message: message)
            pool.pointee.release(buffer.lease)
        default:
            fail(choice, code, count, sender)
        }
    }

    private mutating func fail(_ choice: UInt8, _ code: UInt8, _ count: UInt64, _ target: TransportAddress) {
        if code & 0x80 != 0 {
            let ends = ScriptedFrame.ends(choice, plan)
            if count & 1 != 0 {
                return stack.datagramPortPublished(UInt32(choice & 3), bound: target.address, guest: ends.guest)
            }
            return stack.listenerClosed(UInt32(choice & 3), guest: ends.guest)
        }
        guard let mapping = Self.pick(names.mappings, choice) else { return }
        if code & 0x40 != 0 { return stack.datagramSocketFailed(mapping) }
        let payload = [UInt8](repeating: 7, count: Int(count & 0x7FF))
        payload.withUnsafeBytes { bytes in
            stack.datagramFailed(mapping, to: target, .portUnreachable, from: nil, payload: bytes)
        }
    }
}
