import Glibc
import RingwaySimulation

/// The arguments. They ask for simulations of many seeds, which report failures, or of one seed, with a trace of
/// every event.
///
///     ringway-simulate [--seeds N] [--from SEED] [--seconds N] [--cubic]
///     ringway-simulate --seed SEED [--quiet] [--cubic] [--capture FILE] [--script FILE]
///     ringway-simulate --engine [--seeds N] [--from SEED] [--seconds N] [--digests] [--until-failure]
///     ringway-simulate --engine --seed SEED [--quiet]
///     ringway-simulate --corpus DIRECTORY
///     ringway-simulate --transfers
///
/// With `--engine` the whole engine is simulated, with two shards between model guests and a model host. Without it
/// only the TCP/IP stack is.
struct Arguments {
    var seed: UInt64?
    var first: UInt64 = 1
    var count: UInt64 = 1_000
    var seconds: Int?
    var isQuiet = false
    /// Whether the stack uses CUBIC instead of NewReno, to compare the two over the same seeds.
    var usesCubic = false
    var capture: String?
    var script: String?
    var corpus: String?
    /// Whether to print a table that compares congestion control algorithms by bulk transfers.
    var transfers = false
    var isEngine = false
    /// With --engine: whether to print a line with a digest for each seed, to compare runs.
    var printsDigests = false
    /// With --engine: whether to stop at the first seed that fails, and to print each seed before it runs, so that a
    /// crash shows its seed.
    var stopsAtFailure = false

    init?(_ words: ArraySlice<String>) {
        var rest = words
        while let word = rest.popFirst() {
            switch word {
            case "--quiet": isQuiet = true
            case "--cubic": usesCubic = true
            case "--transfers": transfers = true
            case "--engine": isEngine = true
            case "--digests": printsDigests = true
            case "--until-failure": stopsAtFailure = true
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
            case "--capture", "--script", "--corpus":
                guard let value = rest.popFirst() else { return nil }
                switch word {
                case "--capture": capture = value
                case "--script": script = value
                default: corpus = value
                }
            default: return nil
            }
        }
    }
}

func write(_ bytes: [UInt8], to path: String) -> Bool {
    guard let file = fopen(path, "wb") else { return false }
    defer { fclose(file) }
    return fwrite(bytes, 1, bytes.count, file) == bytes.count
}

func replay(_ seed: UInt64, _ arguments: Arguments) -> Int32 {
    let recorder = Recorder(captures: arguments.capture != nil, print: arguments.isQuiet ? nil : { print($0) })
    let report = Simulation.run(seed: seed, recorder: recorder, usesCubic: arguments.usesCubic)
    if let path = arguments.capture, !write(recorder.capture, to: path) {
        print("cannot write \(path)")
        return 2
    }
    if let path = arguments.script, !write(recorder.script, to: path) {
        print("cannot write \(path)")
        return 2
    }
    print("seed \(seed): \(report.failure ?? "clean")")
    return report.failure == nil ? 0 : 1
}

/// Writes the initial corpus of the fuzzers: small simulations as scripts, and samples of frames that simulations never
/// send.
func writeCorpus(to directory: String) -> Int32 {
    var scripts = ScriptSamples.all()
    var bytes = 0
    var seed: UInt64 = 0
    while scripts.count < 120 {
        seed += 1
        let recorder = Recorder()
        guard Simulation.run(seed: seed, recorder: recorder).failure == nil else { continue }
        guard recorder.script.count < 12_000 else { continue }
        scripts.append(("seed-\(seed)", recorder.script))
    }
    for (name, script) in scripts {
        guard write(script, to: "\(directory)/\(name)") else {
            print("cannot write to \(directory)")
            return 2
        }
        bytes += script.count
    }
    print("\(scripts.count) scripts, \(bytes) bytes")
    return 0
}

func runMany(_ arguments: Arguments) -> Int32 {
    let begun = time(nil)
    var failures = 0
    var frames = 0
    var retransmissions = 0
    var run: UInt64 = 0
    var duration = 0.0
    for seed in arguments.first..<arguments.first + arguments.count {
        if let seconds = arguments.seconds, time(nil) - begun >= seconds { break }
        let report = Simulation.run(seed: seed, usesCubic: arguments.usesCubic)
        run += 1
        duration += Double(report.duration) / 1e9
        frames += report.framesFromGuest + report.framesToGuest
        retransmissions += report.retransmissions
        guard let failure = report.failure else { continue }
        failures += 1
        print("seed \(seed): \(failure)\n    replay: tools/simulate --seed \(seed)")
        if failures == 20 { break }
    }
    print(
        "\(run) seeds, \(failures) failed; \(frames) frames, \(retransmissions) sent again by the stack; "
            + "\(Int(duration)) s of simulated time")
    return failures == 0 ? 0 : 1
}

func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}

func replayEngine(_ seed: UInt64, _ arguments: Arguments) -> Int32 {
    let report = EngineSimulation.run(seed: seed, recorder: arguments.isQuiet ? nil : Recorder { print($0) })
    print("seed \(seed): \(report.failure ?? "clean"), digest \(hexadecimal(report.digest))")
    return report.failure == nil ? 0 : 1
}

func runManyEngines(_ arguments: Arguments) -> Int32 {
    let begun = time(nil)
    var told = begun
    var (run, failures, digest) = (0, 0, 0 as UInt64)
    var total = EngineReport()
    for seed in arguments.first..<arguments.first + arguments.count {
        let instant = time(nil)
        if let seconds = arguments.seconds, instant - begun >= seconds { break }
        if instant - told >= 10 {
            told = instant
            print("\(run) seeds in \(instant - begun) s, \(failures) failed")
            fflush(nil)
        }
        if arguments.stopsAtFailure {
            print("begins \(seed)")
            fflush(nil)
        }
        let report = EngineSimulation.run(seed: seed)
        run += 1
        total.add(report)
        digest = (digest ^ report.digest) &* 0x0100_0000_01B3
        if arguments.printsDigests { print("\(seed) \(hexadecimal(report.digest))") }
        guard let failure = report.failure else { continue }
        failures += 1
        print("seed \(seed): \(failure)\n    replay: tools/simulate --engine --seed \(seed)")
        if failures == 20 || arguments.stopsAtFailure { break }
    }
    print(
        "\(run) seeds, \(failures) failed; \(total.steps) steps, \(total.framesFromGuest + total.framesToGuest) frames, "
            + "\(total.wholeConnections) connections whole, \(total.relayedConnections) around the link, "
            + "\(total.answeredDatagrams) datagrams answered, \(total.neighborFrames) frames of neighbours; "
            + "digest \(hexadecimal(digest))")
    return failures == 0 ? 0 : 1
}

guard let arguments = Arguments(CommandLine.arguments.dropFirst()) else {
    print(
        "usage: ringway-simulate [--seeds N] [--from SEED] [--seconds N] [--cubic] | --seed SEED [--quiet] [--cubic] [--capture FILE] "
            + "[--script FILE] | --engine [--seeds N] [--from SEED] [--seconds N] [--digests] | "
            + "--engine --seed SEED [--quiet] | --corpus DIRECTORY | --transfers")
    exit(2)
}
if let directory = arguments.corpus { exit(writeCorpus(to: directory)) }
if arguments.transfers { exit(TransferTable.printAll()) }
if arguments.isEngine { exit(arguments.seed.map { replayEngine($0, arguments) } ?? runManyEngines(arguments)) }
exit(arguments.seed.map { replay($0, arguments) } ?? runMany(arguments))
