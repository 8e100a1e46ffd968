import RingwayModel
import RingwayStack
import RingwayStorage
import TestSupport
import Testing

/// A table that an expectation may look at: it takes no values that cannot be copied.
private final class TableUnderTest {
    private var table: FlowTable

    init(capacity: Int, secret: UInt64) {
        table = MemoryFailure.trap { try FlowTable(capacity: capacity, secret: secret) }
    }

    var count: Int { table.count }
    func find(_ key: FlowKey) -> Flow? { table.find(key) }
    func insert(_ key: FlowKey, _ flow: Flow) -> Bool { table.insert(key, flow) }
    func remove(_ key: FlowKey) { table.remove(key) }
}

@Suite("The flow table")
struct FlowTableTests {
    private static func key(_ index: Int, transport: Transport = .tcp) -> FlowKey {
        FlowKey(
            guest: IPAddress(IPv4Address(192, 168, 127, 2)), guestPort: UInt16(truncatingIfNeeded: index),
            remote: IPAddress(IPv4Address(rawValue: UInt32(index >> 16) &+ 0x0808_0808)), remotePort: 443,
            transport: transport)
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `does what a dictionary does, whatever the order of operations`(_ seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let capacity = 1 + Int(noise.next() % 200)
        let table = TableUnderTest(capacity: capacity, secret: noise.next())
        var model: [FlowKey: Flow] = [:]
        // Few keys, so that they recur; phases of insertion and of removal.
        let keys = (0..<capacity * 2).map { Self.key($0 &* 7_919) }
        for step in 0..<20_000 {
            let key = keys[Int(noise.next() % UInt64(keys.count))]
            let isFilling = step / 500 % 2 == 0
            switch noise.next() % 4 {
            case 0:
                #expect(table.find(key) == model[key])
            case 1 where isFilling, 2 where isFilling:
                guard model[key] == nil else { continue }
                let reference = Flow(.tcp, slot: UInt32(step))
                let isInserted = table.insert(key, reference)
                #expect(isInserted == (model.count < capacity))
                if isInserted { model[key] = reference }
            default:
                table.remove(key)
                model[key] = nil
            }
            #expect(table.count == model.count)
        }
        for key in keys { #expect(table.find(key) == model[key]) }
    }

    @Test func `holds as many flows as it promised, and no more`() {
        let table = TableUnderTest(capacity: 1_000, secret: 1)
        for index in 0..<1_000 { #expect(table.insert(Self.key(index), Flow(.tcp, slot: UInt32(index)))) }
        #expect(!table.insert(Self.key(1_000), Flow(.tcp, slot: 0)))
        for index in 0..<1_000 { #expect(table.find(Self.key(index))?.slot == UInt32(index)) }
    }

    @Test func `a key that is not there is not removed`() {
        let table = TableUnderTest(capacity: 10, secret: 1)
        #expect(table.insert(Self.key(1), Flow(.udp, slot: 5)))
        table.remove(Self.key(2))
        #expect(table.count == 1)
        #expect(table.find(Self.key(1)) == Flow(.udp, slot: 5))
    }

    @Test func `transports and ends keep flows apart`() {
        let table = TableUnderTest(capacity: 10, secret: 1)
        #expect(table.insert(Self.key(1), Flow(.tcp, slot: 1)))
        #expect(table.find(Self.key(1, transport: .udp)) == nil)
        let mapping = FlowKey(guest: Self.key(1).guest, guestPort: 1, transport: .tcp)
        #expect(table.find(mapping) == nil)
    }

    @Test(arguments: [Flow.Kind.tcp, .udp, .forwardedUDP, .ping])
    func `a reference remembers kind and slot`(_ kind: Flow.Kind) {
        for slot: UInt32 in [0, 1, 0x0FFF_FFFF] {
            let reference = Flow(kind, slot: slot)
            #expect(reference.kind == kind)
            #expect(reference.slot == slot)
        }
    }

    @Test func `the secret decides where a key goes`() {
        let first = (0..<64).map { Self.key($0).hash(secret: 1) & 1_023 }
        let second = (0..<64).map { Self.key($0).hash(secret: 2) & 1_023 }
        #expect(zip(first, second).filter { $0 == $1 }.count < 8)
    }

    @Test func `flows spread evenly over shards`() {
        var counts = [0, 0, 0, 0]
        for index in 0..<4_000 { counts[Self.key(index).owner(shards: 4, secret: 99)] += 1 }
        for count in counts { #expect(count > 800 && count < 1_200) }
    }
}
