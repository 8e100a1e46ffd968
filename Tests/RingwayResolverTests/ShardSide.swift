import Glibc
import RingwaySystem

@testable import RingwayResolver

/// The shard's end of a datagram service, or a client's end of a stream service. Every wait has an end.
final class ShardSide {
    /// No test waits longer than this for anything.
    static let timeout: Int32 = 10_000

    let descriptor: Int32
    private var isOpen = true

    /// A resolver ends with its last reference, and tests often have no other.
    private let resolver: Resolver

    init(datagramsOf resolver: Resolver, guest: UInt32 = 0) {
        self.resolver = resolver
        descriptor = Self.pair(SOCK_SEQPACKET) {
            resolver.serve(datagrams: OwnedDescriptor(adopting: $0), guest: guest)
        }
    }

    init(streamOf resolver: Resolver, guest: UInt32 = 0) {
        self.resolver = resolver
        descriptor = Self.pair(SOCK_STREAM) { resolver.serve(stream: OwnedDescriptor(adopting: $0), guest: guest) }
    }

    deinit { end() }

    func end() {
        if isOpen { close(descriptor) }
        isOpen = false
    }

    // MARK: Datagrams

    static func tag(_ number: UInt8) -> [UInt8] { Array(repeating: number, count: 16) }

    func sendDatagram(_ query: [UInt8], tag: UInt8 = 1) {
        let record = Self.tag(tag) + query
        _ = Glibc.send(descriptor, record, record.count, Int32(MSG_NOSIGNAL))
    }

    /// The next answer and its tag.
    func receiveDatagram(within milliseconds: Int32 = timeout) -> (tag: [UInt8], answer: [UInt8])? {
        guard waitUntilReadable(milliseconds) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 70_000)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 16 else { return nil }
        return (Array(buffer[..<16]), Array(buffer[16..<count]))
    }

    func ask(_ query: [UInt8], within milliseconds: Int32 = timeout) -> [UInt8]? {
        sendDatagram(query)
        return receiveDatagram(within: milliseconds)?.answer
    }

    // MARK: Streams

    func sendFramed(_ messages: [UInt8]...) {
        sendBytes(messages.flatMap { MessageBuilder.word(UInt16($0.count)) + $0 })
    }

    func sendBytes(_ bytes: [UInt8]) {
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next message; `nil` at the end of the connection.
    func receiveFramed(within milliseconds: Int32 = timeout) -> [UInt8]? {
        guard let length = receiveBytes(2, within: milliseconds) else { return nil }
        return receiveBytes(Int(length[0]) << 8 | Int(length[1]), within: milliseconds)
    }

    /// Whether the other side closes the connection.
    func isClosed(within milliseconds: Int32 = timeout) -> Bool {
        guard waitUntilReadable(milliseconds) else { return false }
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, 0) <= 0
    }

    private func receiveBytes(_ count: Int, within milliseconds: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            guard waitUntilReadable(milliseconds) else { return nil }
            let got = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress.map { $0 + done }, count - done, 0)
            }
            guard got > 0 else { return nil }
            done += got
        }
        return bytes
    }

    private func waitUntilReadable(_ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    private static func pair(_ type: __socket_type, handing: (Int32) -> Void) -> Int32 {
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends)
        handing(ends[1])
        return ends[0]
    }
}
