import RingwayWire

/// What is done in software for links without a virtio-net header.
extension Workload {
    static var offloads: [Workload] {
        [("Offload.Checksum1460", 1_460), ("Offload.SuperFrame", 64_240)].map { name, payload in
            Workload(name, counted: 160) {
                let frame = GuestFrame.segment(payload: payload, sequence: 1, acknowledgement: 1)
                let target = UnsafeMutableRawPointer.allocate(byteCount: 1 << 17, alignment: 4_096)
                let head = UnsafeRawBufferPointer(rebasing: frame.buffer.prefix(GuestFrame.transport + 20))
                let rest = UnsafeRawBufferPointer(rebasing: frame.buffer.dropFirst(GuestFrame.transport + 20))
                return { count in
                    var segmentation = SoftwareSegmentation(at: target)
                    for _ in 0..<count {
                        precondition(segmentation.prepare(head, rest) == .none, "the template is refused")
                        var position = 0
                        while !segmentation.isDone {
                            let length = segmentation.nextLength
                            segmentation.writeNext(to: target + position)
                            position += length
                        }
                        consume(position)
                    }
                }
            }
        }
    }
}
