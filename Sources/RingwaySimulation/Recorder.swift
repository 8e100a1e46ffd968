internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// Records all events of a simulation: as text, as a capture for a packet analyser, and as a script that repeats the
/// run in a `ScriptedNetwork`.
public final class Recorder {
    private let print: ((String) -> Void)?
    private let captures: Bool
    /// The pcapng file so far; empty unless requested.
    public private(set) var capture: [UInt8] = []
    /// The script for `ScriptedNetwork`.
    public private(set) var script: [UInt8] = []
    private var scriptTime: UInt64 = 0

    /// - Parameters:
    ///   - captures: whether to capture frames.
    ///   - print: receives each line of the trace.
    public init(captures: Bool = false, print: ((String) -> Void)? = nil) {
        self.captures = captures
        self.print = print
        guard captures else { return }
        capture = [UInt8](repeating: 0, count: CaptureWriter.fileHeaderLength)
        capture.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { CaptureWriter.writeFileHeader(to: base) }
        }
    }

    // MARK: Text

    func begin(_ scenario: Scenario) {
        beginScript(scenario)
        guard let print else { return }
        print(
            "seed \(scenario.seed) mtu \(scenario.plan.mtu) heals after \(scenario.healsAfter / 1_000_000) ms "
                + "turn \(scenario.turnLength / 1_000) µs cuts \(scenario.linkCuts) "
                + "park \(scenario.limits.unsentBytesPerFlow) pool \(scenario.limits.poolBytesPerShard)")
        print("from guest: \(scenario.fromGuest)")
        print("to guest:   \(scenario.toGuest)")
        for script in scenario.flows {
            print("flow \(script.index): " + "\(script)".split(separator: "RingwaySimulation.").joined())
        }
    }

    func note(at time: UInt64, _ text: String) {
        guard let print else { return }
        let microseconds = time / 1_000
        let fraction = String(microseconds % 1_000_000)
        let padding = String(repeating: "0", count: 6 - fraction.count)
        print("\(microseconds / 1_000_000).\(padding)\(fraction) \(text)")
    }

    // MARK: Frames

    func frameFromGuest(_ frame: [UInt8], now: UInt64) {
        keep(frame, now, .fromGuest)
        guard frame.count <= 65_535 else { return }
        put(.frame, [(UInt64(frame.count), 2)])
        script += frame
    }

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

    // MARK: The script

    private func put(_ step: ScriptStep, _ values: [(UInt64, Int)]) {
        script.append(step.rawValue)
        put(values)
    }

    private func put(_ values: [(UInt64, Int)]) {
        for (value, count) in values {
            for index in 0..<count { script.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
        }
    }

    private func beginScript(_ scenario: Scenario) {
        let parkShift = (scenario.limits.unsentBytesPerFlow / 65_536).trailingZeroBitCount
        put([
            (UInt64(min(parkShift, 3)), 1), (scenario.secret, 8), (scenario.startsAt - 1_000_000_000, 6),
            (UInt64(scenario.plan.mtu), 2),
        ])
        scriptTime = scenario.startsAt
    }

    func beginTurn(now: UInt64) {
        put(.time, [(now - scriptTime, 6)])
        scriptTime = now
    }

    func connected(_ socket: Int, _ answer: FlowScript.ConnectAnswer) {
        let answers: [FlowScript.ConnectAnswer] = [
            .succeeds, .refused, .hostUnreachable, .networkUnreachable, .prohibited, .timedOut, .exhausted,
        ]
        put(.connected, [(UInt64(socket), 1), (UInt64(answers.firstIndex(of: answer) ?? 0), 1)])
    }

    func opened(_ flow: FlowScript) {
        let isLocal = flow.remote != flow.hostAddress
        put(.opened, [(UInt64(flow.index) | (flow.isIPv6 ? 8 : 0) | (isLocal ? 16 : 0), 1)])
    }

    func sent(_ socket: Int, _ byteCount: Int) { put(.sent, [(UInt64(socket), 1), (UInt64(byteCount), 2)]) }
    func received(_ socket: Int, _ byteCount: Int) { put(.received, [(UInt64(socket), 1), (UInt64(byteCount), 2)]) }
    func ended(_ socket: Int) { put(.ended, [(UInt64(socket), 1)]) }
    func failed(_ socket: Int) { put(.failed, [(UInt64(socket), 1)]) }
    func starved(_ socket: Int) { put(.starved, [(UInt64(socket), 1)]) }
}
