import NIOCore
import Testing

@testable import RingwayControl

/// The event stream of a slow client.
@Suite("A stream of events")
struct EventStreamTests {
    /// A connection that accepts a limited number of events.
    private final class Sink {
        var room = 0
        var written: [String] = []

        func stream() -> EventStream {
            EventStream(
                isWritable: { self.room > 0 },
                write: { bytes in
                    self.room -= 1
                    self.written.append(String(buffer: bytes))
                },
                push: {})
        }
    }

    private static func event(_ number: Int) -> ByteBuffer { ByteBuffer(string: "\(number)") }

    @Test func `goes straight to a reader that keeps up`() {
        let sink = Sink()
        sink.room = 10
        let stream = sink.stream()
        for number in 0..<3 { stream.offer(Self.event(number)) }
        #expect(sink.written == ["0", "1", "2"])
    }

    @Test func `queues events for a slow reader up to a bound, and reports lost ones`() {
        let sink = Sink()
        let stream = sink.stream()
        for number in 0..<EventStream.mostWaiting + 44 { stream.offer(Self.event(number)) }
        #expect(sink.written.isEmpty)
        sink.room = .max
        stream.flush()
        #expect(sink.written.count == EventStream.mostWaiting + 1)
        #expect(sink.written.last == "event: lost\ndata: {\"event\":\"lost\",\"count\":44}\n\n")
        stream.offer(Self.event(1_000))
        #expect(sink.written.last == "1000")
    }

    @Test func `keeps the order when the reader takes a little at a time`() {
        let sink = Sink()
        let stream = sink.stream()
        for number in 0..<10 {
            stream.offer(Self.event(number))
            sink.room = number % 2
            stream.flush()
        }
        sink.room = 100
        stream.flush()
        #expect(sink.written == (0..<10).map(String.init))
    }
}
