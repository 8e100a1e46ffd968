import RingwayStorage
import TestSupport
import Testing

/// A slab behind a reference, so that expectations can read it.
private final class SlabBench {
    private var slab: Slab<Int>

    init(capacity: Int) { slab = MemoryFailure.trap { try Slab(capacity: capacity) } }

    func insert(_ value: Int) -> Handle? { slab.insert(value) }
    func remove(_ handle: Handle) { slab.remove(slot: handle.slot) }
    func value(_ handle: Handle) -> Int? { slab.pointer(to: handle)?.pointee }
    func value(inSlot slot: UInt32) -> Int? { slab.pointer(inSlot: slot)?.pointee }
    func pointer(_ handle: Handle) -> UnsafeMutablePointer<Int>? { slab.pointer(to: handle) }
    func slot(of pointer: UnsafeMutablePointer<Int>) -> UInt32 { slab.slot(of: pointer) }
    func handle(ofSlot slot: UInt32) -> Handle { slab.handle(ofSlot: slot) }
    var count: Int { slab.count }
    var highWater: UInt32 { slab.highWater }
}

@Suite("Slab")
struct SlabTests {
    @Test func `holds as many elements as it has room for and refuses more`() throws {
        let slab = SlabBench(capacity: 3)
        let handles = (0..<3).compactMap { slab.insert($0) }
        #expect(handles.count == 3)
        #expect(slab.insert(3) == nil)
        #expect(slab.count == 3)
        slab.remove(handles[1])
        let again = try #require(slab.insert(9))
        #expect(again.slot == handles[1].slot)
        #expect(slab.insert(3) == nil)
    }

    @Test func `rejects a handle whose element was removed`() throws {
        let slab = SlabBench(capacity: 1)
        let first = try #require(slab.insert(1))
        slab.remove(first)
        #expect(slab.value(first) == nil)
        let second = try #require(slab.insert(2))
        #expect(second.slot == first.slot && second != first)
        #expect(slab.value(first) == nil)
        #expect(slab.value(second) == 2)
    }

    @Test func `distinguishes elements of a slot until generations wrap`() throws {
        let slab = SlabBench(capacity: 1)
        let first = try #require(slab.insert(0))
        var last = first
        for value in 1..<32_768 {
            slab.remove(last)
            last = try #require(slab.insert(value))
            #expect(last != first)
        }
        slab.remove(last)
        #expect(try #require(slab.insert(0)) == first)
    }

    @Test(arguments: [UInt64](1...4))
    func `rejects every handle of a free slot`(seed: UInt64) throws {
        var noise = SeededNoise(seed: seed)
        let slab = SlabBench(capacity: 2)
        // More occupants than generations, so that the numbers wrap more than once.
        for tenant in 0..<100_000 {
            let handle = try #require(slab.insert(tenant))
            let isAlone = handle.generation & 1 == 1 && slab.value(handle) == tenant
            slab.remove(handle)
            // The slot's own generation is the one that a free slot's handle would have.
            let isKnown =
                slab.value(handle) != nil || slab.value(slab.handle(ofSlot: handle.slot)) != nil
                || slab.value(Handle(slot: handle.slot, generation: UInt16(noise.below(65_536)))) != nil
            try #require(isAlone && !isKnown, "tenant \(tenant)")
        }
        for generation in UInt16.min...UInt16.max {
            try #require(slab.value(Handle(slot: 0, generation: generation)) == nil)
        }
    }

    @Test func `answers nothing for slots that were never used`() {
        let slab = SlabBench(capacity: 8)
        #expect(slab.value(Handle(slot: 7, generation: 1)) == nil)
        #expect(slab.value(Handle(slot: 8, generation: 1)) == nil)
        #expect(slab.value(Handle(slot: .max, generation: 1)) == nil)
        #expect(slab.value(inSlot: 0) == nil)
        #expect(slab.value(inSlot: .max) == nil)
    }

    @Test func `never moves an element`() throws {
        let slab = SlabBench(capacity: 64)
        let first = try #require(slab.insert(42))
        let address = try #require(slab.pointer(first))
        for value in 0..<63 { _ = slab.insert(value) }
        #expect(slab.pointer(first) == address)
        #expect(address.pointee == 42)
        #expect(slab.slot(of: address) == first.slot)
        #expect(slab.handle(ofSlot: first.slot) == first)
    }

    @Test func `traps when a slot is freed twice`() async {
        await #expect(processExitsWith: .failure) {
            var slab = MemoryFailure.trap { try Slab<Int>(capacity: 2) }
            guard let handle = slab.insert(1) else { return }
            slab.remove(slot: handle.slot)
            slab.remove(slot: handle.slot)
        }
    }

    @Test(arguments: [UInt64](1...16))
    func `agrees with a dictionary under any order of calls`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let slab = SlabBench(capacity: 24)
        var live: [Handle: Int] = [:]
        var gone: [Handle] = []
        for step in 0..<4_000 {
            if noise.below(5) < 3 {
                let handle = slab.insert(step)
                #expect((handle == nil) == (live.count == 24))
                guard let handle else { continue }
                #expect(live[handle] == nil)
                live[handle] = step
            } else {
                let handles = live.keys.sorted { $0.slot < $1.slot }
                guard !handles.isEmpty else { continue }
                let handle = handles[noise.below(handles.count)]
                slab.remove(handle)
                live[handle] = nil
                gone.append(handle)
            }
            #expect(slab.count == live.count)
            if step.isMultiple(of: 97) {
                #expect(live.allSatisfy { slab.value($0.key) == $0.value })
                #expect(gone.suffix(200).allSatisfy { slab.value($0) == nil })
                let found = (0..<slab.highWater).count { slab.value(inSlot: $0) != nil }
                #expect(found == live.count)
            }
        }
    }
}
