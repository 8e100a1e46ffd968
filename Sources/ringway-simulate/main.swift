import Glibc
import RingwaySimulation

/// Runs simulations: many seeds for a verdict, or one seed with a trace of everything that happened.
///
///     ringway-simulate [--seeds N] [--from SEED] [--seconds N]
///     ringway-simulate --seed SEED [--quiet] [--capture FILE]
struct Arguments {
    var seed: UInt64?
    var first: UInt64 = 1
    var count: UInt64 = 1_000
    var seconds: Int?
    var isQuiet = false
    var capture: String?

    init?(_ words: ArraySlice<String>) {
        var rest = words
        while let word = rest.popFirst() {
            switch word {
            case "--quiet": isQuiet = true
            case "--seed":
                guard let value = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
                seed = value
            case "--from":
                guard let value = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
                first = value
            case "--seeds":
                guard let value = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
                count = value
            case "--seconds":
                guard let value = rest.popFirst().flatMap({ Int($0) }) else { return nil }
                seconds = value
                count = .max / 2
            case "--capture":
                guard let value = rest.popFirst() else { return nil }
                capture = value
            default: return nil
            }
        }
    }
}

func write(_ octets: [UInt8], to path: String) -> Bool {
    guard let file = fopen(path, "wb") else { return false }
    defer { fclose(file) }
    return fwrite(octets, 1, octets.count, file) == octets.count
}

func replay(_ seed: UInt64, _ arguments: Arguments) -> Int32 {
    let recorder = Recorder(captures: arguments.capture != nil, print: arguments.isQuiet ? nil : { print($0) })
    let report = Simulation.run(seed: seed, recorder: recorder)
    if let path = arguments.capture, !write(recorder.capture, to: path) {
        print("cannot write \(path)")
        return 2
    }
    print("seed \(seed): \(report.failure ?? "clean")")
    return report.failure == nil ? 0 : 1
}

func runMany(_ arguments: Arguments) -> Int32 {
    let begun = time(nil)
    var failures = 0
    var frames = 0
    var retransmissions = 0
    var run: UInt64 = 0
    for seed in arguments.first..<arguments.first + arguments.count {
        if let seconds = arguments.seconds, time(nil) - begun >= seconds { break }
        let report = Simulation.run(seed: seed)
        run += 1
        frames += report.framesFromGuest + report.framesToGuest
        retransmissions += report.retransmissions
        guard let failure = report.failure else { continue }
        failures += 1
        print("seed \(seed): \(failure)\n    replay: tools/simulate --seed \(seed)")
        if failures == 20 { break }
    }
    print("\(run) seeds, \(failures) failed; \(frames) frames, \(retransmissions) sent again by the stack")
    return failures == 0 ? 0 : 1
}

guard let arguments = Arguments(CommandLine.arguments.dropFirst()) else {
    print("usage: ringway-simulate [--seeds N] [--from SEED] [--seconds N] | --seed SEED [--quiet] [--capture FILE]")
    exit(2)
}
exit(arguments.seed.map { replay($0, arguments) } ?? runMany(arguments))
