import CRingway
import Glibc

@testable import RingwayTap

/// A copy in memory of exactly this size, so that the sanitizer detects reads beyond it.
private func withExactCopy(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) -> Void) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    copy.copyBytes(from: bytes)
    body(UnsafeRawBufferPointer(copy))
    copy.deallocate()
}

/// Control data of received datagrams, and addresses.
func fuzzControlMessages(_ bytes: UnsafeRawBufferPointer) {
    withExactCopy(Array(bytes)) { control in
        guard let base = control.baseAddress else { return }
        var notes = ringway_datagram_notes()
        ringway_read_datagram_control(base, UInt32(control.count), &notes)
        fuzzSink = UInt8(truncatingIfNeeded: notes.hop_limit &+ notes.segment_size &+ notes.traffic_class)
        var (high, low, port): (UInt64, UInt64, UInt16) = (0, 0, 0)
        if ringway_read_socket_address(base, UInt32(control.count), &high, &low, &port) {
            fuzzSink &+= UInt8(truncatingIfNeeded: high ^ low)
        }
    }
}

/// Replies of the kernel's routing socket and socket diagnosis.
func fuzzNetlink(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let wanted = Int(input.byte())
    withExactCopy(input.rest()) { datagram in
        for answer in NetlinkAnswer.parse(datagram) { fuzzSink &+= UInt8(truncatingIfNeeded: answer.errorNumber) }
        for record in NetlinkRecord.parse(datagram).records {
            for header in [0, 8, 12, 16] {
                precondition((record.attribute(wanted, after: header)?.count ?? 0) <= datagram.count)
                _ = record.integer(wanted, after: header)
            }
        }
        guard let base = datagram.baseAddress else { return }
        var offset = 0
        var answer = ringway_diagnosis()
        while ringway_diagnosis_next(base, datagram.count, &offset, &answer) == 1 {
            fuzzSink &+= UInt8(truncatingIfNeeded: answer.port)
        }
    }
}
