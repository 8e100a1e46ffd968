import Foundation
import RingwayModel
import RingwayWire
import Testing

@testable import RingwayCapture

@Suite("A capture") struct CaptureSessionTests {
    /// An ethernet frame with a UDP datagram to a port, of this length.
    private func datagram(to port: UInt16, length: Int = 100) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: max(42, length))
        frame[12] = 0x08
        frame[14] = 0x45
        frame[23] = 17
        frame[36] = UInt8(port >> 8)
        frame[37] = UInt8(truncatingIfNeeded: port)
        return frame
    }

    private let nothing = UnsafeRawBufferPointer(start: nil, count: 0)

    private func append(_ frame: [UInt8], to session: CaptureSession) {
        frame.withUnsafeBytes { session.append(.fromGuest, $0, nothing) }
    }

    @Test func `writes the frames passed to it before it stopped, and none after`() throws {
        try Folder.use { folder in
            let session = try CaptureSession(CaptureOptions(folder.path("c"))) { _ in }
            for port in 1...1_000 { append(datagram(to: UInt16(port)), to: session) }
            session.stop()
            append(datagram(to: 1), to: session)
            #expect(session.status.frames == 1_000)
            #expect(session.status.dropped == 0)
            let packets = try folder.packets(in: "c")
            #expect(packets.map { Int($0.bytes[36]) << 8 | Int($0.bytes[37]) } == Array(1...1_000))
            #expect(zip(packets, packets.dropFirst()).allSatisfy { $0.nanosecondsSince1970 <= $1.nanosecondsSince1970 })
        }
    }

    @Test func `keeps so much of a frame, in one piece or two, and the length that it had`() throws {
        try Folder.use { folder in
            var options = CaptureOptions(folder.path("c"))
            options.snapLength = 60
            let session = try CaptureSession(options) { _ in }
            let frame = [UInt8](0..<200)
            append(frame, to: session)
            frame.withUnsafeBytes { bytes in
                session.append(
                    .toGuest, UnsafeRawBufferPointer(rebasing: bytes[..<20]),
                    UnsafeRawBufferPointer(rebasing: bytes[20...]))
            }
            session.stop()
            let packets = try folder.packets(in: "c")
            #expect(packets.map(\.bytes) == [Array(0..<60), Array(0..<60)])
            #expect(packets.map(\.originalLength) == [200, 200])
            #expect(packets.map(\.direction) == [.fromGuest, .toGuest])
        }
    }

    @Test func `keeps what its filter wants, though less of a frame is kept than the filter reads`() throws {
        try Folder.use { folder in
            var options = CaptureOptions(folder.path("c"))
            options.filter = "udp dst port 53"
            options.snapLength = 20
            let session: CaptureSession
            do {
                session = try CaptureSession(options) { _ in }
            } catch let failure as CaptureFailure where failure.description.contains("libpcap0.8") {
                // On a machine without the library, the error message is all that can be tested.
                return
            }
            for port: UInt16 in [53, 54, 53, 80] { append(datagram(to: port), to: session) }
            session.stop()
            let packets = try folder.packets(in: "c")
            #expect(packets.count == 2)
            #expect(packets.allSatisfy { $0.bytes.count == 20 && $0.originalLength == 100 })
            #expect(session.status.dropped == 0, "what is not wanted is not lost")
        }
    }

    @Test func `refuses an invalid filter, before it opens the file`() throws {
        try Folder.use { folder in
            var options = CaptureOptions(folder.path("c"))
            options.filter = "udp dst prot 53"
            #expect(throws: CaptureFailure.self) { _ = try CaptureSession(options) { _ in } }
            #expect(folder.files.isEmpty)
        }
    }

    @Test func `ends although a pipe's reader has stopped reading`() throws {
        try Folder.use { folder in
            let path = folder.path("c")
            #expect(mkfifo(path, 0o600) == 0)
            let reader = open(path, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            let session = try CaptureSession(CaptureOptions(path)) { _ in }
            for _ in 0..<20 { append(datagram(to: 9, length: 60_000), to: session) }
            session.stop()
            #expect(session.status.frames + session.status.dropped == 20)
            #expect(session.status.dropped > 0)
        }
    }

    @Test func `drops and counts what a reader that is too slow leaves no room for, and the file is whole`() throws {
        try Folder.use { folder in
            let path = folder.path("c")
            #expect(mkfifo(path, 0o600) == 0)
            let reader = open(path, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            let session = try CaptureSession(CaptureOptions(path)) { _ in }
            let frame = datagram(to: 9, length: 60_000)
            // More than both halves of the memory and the pipe hold.
            for _ in 0..<400 { append(frame, to: session) }
            #expect(session.status.dropped > 0)
            _ = fcntl(reader, F_SETFL, 0)
            let bytes = CollectedBytes()
            let thread = Thread {
                var buffer = [UInt8](repeating: 0, count: 1 << 16)
                while case let count = read(reader, &buffer, buffer.count), count > 0 {
                    bytes.append(buffer.prefix(count))
                }
                bytes.end()
            }
            thread.start()
            session.stop()
            #expect(bytes.waitForEnd())
            let packets = Array(try CaptureReader(bytes.all))
            #expect(packets.count == session.status.frames)
            #expect(packets.count + session.status.dropped == 400)
        }
    }
}

/// Bytes that a thread reads until the other end is closed.
private final class CollectedBytes: @unchecked Sendable {
    // Sendable: everything under the condition's lock.
    private let condition = NSCondition()
    private var bytes: [UInt8] = []
    private var hasEnded = false

    func append(_ more: ArraySlice<UInt8>) { condition.withLock { bytes += more } }

    func end() {
        condition.withLock { hasEnded = true }
        condition.broadcast()
    }

    func waitForEnd() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while !hasEnded { guard condition.wait(until: Date() + 20) else { return false } }
        return true
    }

    var all: [UInt8] { condition.withLock { bytes } }
}
