import Glibc
import RingwayRing
import RingwayStorage
import RingwaySystem
import Synchronization
import Testing

@testable import RingwayEngine

/// Keeps the descriptors that it should serve.
private final class SilentService: NameService {
    let datagrams = Mutex<Int32>(-1)

    func serve(datagrams descriptor: consuming OwnedDescriptor) {
        let number = descriptor.take()
        datagrams.withLock { $0 = number }
    }

    func serve(stream descriptor: consuming OwnedDescriptor, hasIPv6: Bool) {}

    var descriptor: Int32 { datagrams.withLock { $0 } }
}

@Suite("Channel to the name service", .tags(.kernel))
struct NameServiceChannelTests {
    @Test(arguments: BackEnd.here)
    func `sends a query behind a tag that names it, and gives its buffer back`(_ backEnd: BackEnd) throws {
        let service = SilentService()
        let bench = try ComponentBench(backEnd, nameService: service)
        var channel = NameServiceChannel(shared: bench.shared, counters: bench.counters)
        channel.open(&bench.core)
        defer {
            channel.closeDescriptors()
            close(service.descriptor)
        }
        let message: [UInt8] = [9, 8, 7, 6]
        let before = bench.leased
        channel.send(
            Handle(slot: 5, generation: 3), bench.lease(message, at: 64), offset: 64, length: 4, &bench.core,
            &bench.stack)
        let completion = try #require(bench.completion())
        #expect(completion.tag.owner == .names && completion.result == 20)
        channel.complete(completion, &bench.core, &bench.stack)
        #expect(bench.leased == before)
        var record = [UInt8](repeating: 0, count: 64)
        let count = recv(service.descriptor, &record, 64, 0)
        #expect(count == 20)
        let tag = record.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        #expect(tag == 5 << 32 | 3)
        #expect(Array(record[16..<20]) == message)
    }

    @Test(arguments: BackEnd.here)
    func `sends the queries that it has queued before it closes its socket`(_ backEnd: BackEnd) throws {
        let service = SilentService()
        let bench = try ComponentBench(backEnd, nameService: service)
        var channel = NameServiceChannel(shared: bench.shared, counters: bench.counters)
        channel.open(&bench.core)
        let before = bench.leased
        close(service.descriptor)
        let end = try #require(bench.completion())
        channel.send(
            Handle(slot: 5, generation: 3), bench.lease([1], at: 64), offset: 64, length: 1, &bench.core, &bench.stack)
        channel.complete(end, &bench.core, &bench.stack)
        let completion = try #require(bench.completion())
        // After the close, its number would be that of no socket, or of another one.
        #expect(completion.tag.owner == .names && completion.result < 0 && completion.result != -EBADF)
        channel.complete(completion, &bench.core, &bench.stack)
        #expect(bench.leased == before)
        channel.closeDescriptors()
    }

    @Test(arguments: BackEnd.here)
    func `has no names any more when the service has gone`(_ backEnd: BackEnd) throws {
        let service = SilentService()
        let bench = try ComponentBench(backEnd, nameService: service)
        var channel = NameServiceChannel(shared: bench.shared, counters: bench.counters)
        channel.open(&bench.core)
        close(service.descriptor)
        let completion = try #require(bench.completion())
        channel.complete(completion, &bench.core, &bench.stack)
        let before = bench.leased
        channel.send(
            Handle(slot: 5, generation: 3), bench.lease([1], at: 64), offset: 64, length: 1, &bench.core, &bench.stack)
        #expect(bench.leased == before, "a query that cannot be sent gives its buffer back")
        channel.closeDescriptors()
    }
}
