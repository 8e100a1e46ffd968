internal import RingwayStack
internal import RingwayStorage

// The fields of effects that have several uses, by what they are.

extension Effect {
    var handle: Handle { Handle(slot: slot, generation: generation) }
    var socket: UInt32 { offset }
    var limit: UInt32 { length }
    var isUrgent: Bool { segmentSize != 0 }
    var solicits: Bool { length != 0 }
    var reportsEnd: Bool { length != 0 }
    var sourcePort: UInt16 { UInt16(truncatingIfNeeded: length) }
}
