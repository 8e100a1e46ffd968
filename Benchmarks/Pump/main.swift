internal import Glibc
internal import Processors
internal import Workloads

// Shards pumped at full speed with frames from memory: what they cost without any kernel, and whether two cost less time
// than one.
//
// usage: pump SHARDS KIND PERCENT MILLISECONDS
//
//   SHARDS         threads, each on a processor of its own
//   KIND           receive, transmit or segments
//   PERCENT        of frames that arrive at a shard that does not own their flow; with two shards or more
//   MILLISECONDS   how long is measured, after a tenth of it that is not
//
//        pump machine
//
// prints bytes per second that one processor copies through memory, and picoseconds of a system call.
//
// Otherwise prints one line: frames per second of all shards together, picoseconds of one shard per frame, and how many of ten
// thousand frames were handed over.

if CommandLine.arguments.dropFirst().first == "machine" {
    let length = 300_000_000
    print(Int(copy_rate(length)), Int(system_call_time(length) * 1_000))
    exit(0)
}
guard CommandLine.arguments.count == 5, let shards = Int(CommandLine.arguments[1]), (1...64).contains(shards),
    let kind = PumpedKind(rawValue: CommandLine.arguments[2]), let percent = Int(CommandLine.arguments[3]),
    (0...90).contains(percent), let milliseconds = Int(CommandLine.arguments[4])
else {
    print("usage: pump SHARDS receive|transmit|segments PERCENT MILLISECONDS")
    exit(2)
}
guard percent == 0 || (shards > 1 && kind != .transmit) else {
    print("pump: frames are handed over between two shards or more, and only those from the guest")
    exit(2)
}
let pump = Pump(shards: shards, kind: kind, percent: percent)
let rate = pump.run(nanoseconds: UInt64(milliseconds) * 1_000_000)
print(Int(rate.framesPerSecond), Int(rate.nanosecondsPerFrame * 1_000), Int(rate.handedOver * 10_000))
