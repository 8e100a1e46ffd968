internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Hears of everything that happens in a simulation: as text for a reader, as a capture for a packet analyser, and as a
/// script that the fuzzer starts from.
public final class Recorder {
    private let print: ((String) -> Void)?
    /// A pcapng file, as far as it has come; empty unless asked for.
    public private(set) var capture: [UInt8] = []
    private let captures: Bool

    /// - Parameters:
    ///   - captures: whether to keep the frames.
    ///   - print: takes one line of the trace.
    public init(captures: Bool = false, print: ((String) -> Void)? = nil) {
        self.captures = captures
        self.print = print
        guard captures else { return }
        capture = [UInt8](repeating: 0, count: CaptureWriter.fileHeaderLength)
        capture.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { CaptureWriter.writeFileHeader(to: base) }
        }
    }

    func describe(_ scenario: Scenario) {
        guard let print else { return }
        print("seed \(scenario.seed) mtu \(scenario.plan.mtu) heals after \(scenario.healsAfter / 1_000_000) ms "
            + "turn \(scenario.turnLength / 1_000) µs cuts \(scenario.linkCuts) park \(scenario.limits.parkOctetsPerFlow)")
        print("from guest: \(scenario.fromGuest)")
        print("to guest:   \(scenario.toGuest)")
        for script in scenario.flows { print("flow \(script.index): \(script)".split(separator: "RingwaySimulation.").joined()) }
    }

    func note(at time: UInt64, _ text: String) {
        guard let print else { return }
        let microseconds = time / 1_000
        let fraction = String(microseconds % 1_000_000)
        let padding = String(repeating: "0", count: 6 - fraction.count)
        print("\(microseconds / 1_000_000).\(padding)\(fraction) \(text)")
    }

    func beginTurn(now: UInt64) {}
    func finishTurn() {}
    func connected(_ handle: Handle, _ answer: FlowScript.ConnectAnswer) {}
    func sent(_ handle: Handle, _ octets: Int) {}
    func received(_ handle: Handle, _ octets: Int) {}
    func ended(_ handle: Handle) {}
    func failed(_ handle: Handle) {}

    func frameFromGuest(_ frame: [UInt8], now: UInt64) { keep(frame, now, .fromGuest) }
    func frameToGuest(_ frame: [UInt8], now: UInt64) { keep(frame, now, .toGuest) }

    private func keep(_ frame: [UInt8], _ now: UInt64, _ direction: CaptureWriter.Direction) {
        guard captures else { return }
        let ethernet = frame[FrameLayout.virtio...]
        var block = [UInt8](repeating: 0, count: CaptureWriter.packetHeaderLength)
        block.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            CaptureWriter.writePacketHeader(
                to: base, nanosecondsSince1970: now, capturedLength: ethernet.count, originalLength: ethernet.count)
        }
        block += ethernet
        var trailer = [UInt8](repeating: 0, count: CaptureWriter.packetTrailerLimit)
        let length = trailer.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return 0 }
            return CaptureWriter.writePacketTrailer(to: base, capturedLength: ethernet.count, direction: direction)
        }
        capture += block + trailer.prefix(length)
    }
}
