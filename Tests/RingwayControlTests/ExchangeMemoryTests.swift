import NIOPosix
import Testing

@testable import RingwayControl

@Suite struct ExchangeMemoryTests {
    private final class Connection: ExchangeMemory.Holder {
        private(set) var isClosed = false
        func evict() { isClosed = true }
    }

    private let memory = ExchangeMemory(workers: NIOThreadPool(numberOfThreads: 1))

    @Test func `the connection that holds most is closed when all together hold too much`() {
        let (large, small, last) = (Connection(), Connection(), Connection())
        memory.take(ExchangeMemory.most / 2, for: large)
        memory.take(ExchangeMemory.most / 4, for: small)
        #expect(!large.isClosed && !small.isClosed)
        memory.take(ExchangeMemory.most / 3, for: last)
        #expect(large.isClosed && !small.isClosed && !last.isClosed)
        #expect(memory.held == ExchangeMemory.most / 4 + ExchangeMemory.most / 3)
    }

    @Test func `what a closed connection held is not released twice`() {
        let (large, small) = (Connection(), Connection())
        memory.take(ExchangeMemory.most, for: large)
        memory.take(1_000, for: small)
        #expect(large.isClosed && memory.held == 1_000)
        memory.release(ExchangeMemory.most, of: large)
        #expect(memory.held == 1_000)
        memory.release(400, of: small)
        memory.release(.max, of: small)
        #expect(memory.held == 0)
    }
}
